#include "lockflight/schedule/grid.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string text_line; std::getline(stream, text_line);) {
    lines.push_back(text_line);
  }
  return lines;
}

TEST(GridTest, LooksLikeTheFigureInThePaper) {
  EXPECT_EQ(draw_grid(make_schedule("1f1b", {.ranks = 3, .micro_batches = 4})),
            "rank 0  F0 F1 F2 .  .  .  .  B0--- F3 B1--- .  B2--- .  B3---\n"
            "rank 1  .  F0 F1 .  .  B0--- F2 B1--- F3 B2--- .  B3--- .  .\n"
            "rank 2  .  .  F0 B0--- F1 B1--- F2 B2--- F3 B3--- .  .  .  .\n");
  EXPECT_EQ(draw_grid(make_schedule("gpipe", {.ranks = 2, .micro_batches = 2})),
            "rank 0  F0 F1 .  .  .  B0--- B1---\n"
            "rank 1  .  F0 F1 B0--- B1--- .  .\n");
}

TEST(GridTest, DrawsSplitBackwardsAndOverlappedPairs) {
  Schedule schedule = from_lines(Placement::loop({.ranks = 1}), 2, {"0F0 0I1 0W1"});
  schedule.rows[0].insert(schedule.rows[0].begin() + 1, {parse_action("0F1"), parse_action("0B0")});
  EXPECT_EQ(draw_grid(schedule), "rank 0  F0 F1 B0--- I1 W1\n");
}

TEST(GridTest, NamesTheStageWhereARankHoldsSeveral) {
  EXPECT_EQ(draw_grid(from_lines(Placement::v(2), 1, {"0F0 3F0 3B0 0B0", "1F0 2F0 2B0 1B0"})),
            "rank 0  0F0 .   .   3F0 3B0---- .   .   .   .   0B0----\n"
            "rank 1  .   1F0 2F0 .   .   .   2B0---- 1B0---- .   .\n");
}

TEST(GridTest, TakesLengthsInSlots) {
  EXPECT_EQ(draw_grid(make_schedule("gpipe", {.ranks = 1, .micro_batches = 1}),
                      {.forward = 2, .input_gradient = 1, .weight_gradient = 2}),
            "rank 0  F0--- B0------\n");
  EXPECT_THROW(draw_grid(make_schedule("gpipe", {}), {.forward = 0}), InvalidArgument);
}

TEST(GridTest, AlignsRanksAndMicroBatchesOfSeveralDigits) {
  const std::string grid =
      draw_grid(make_schedule("forward-only", {.ranks = 11, .micro_batches = 11}));
  const std::vector<std::string> lines = lines_of(grid);
  EXPECT_EQ(lines[0].find("F0 "), 9U);
  EXPECT_EQ(lines[10].find("F0 "), 9U + 10 * 4);
  EXPECT_TRUE(lines[10].ends_with("F9  F10"));
}

TEST(GridTest, ChangesNoCharacterWhenItIsColoured) {
  for (const ScheduleInfo& info : schedules()) {
    const Schedule schedule = info.make({.ranks = 4 - info.copies % 2, .micro_batches = 8});
    const std::string coloured = draw_grid(schedule, {.colour = true});
    EXPECT_NE(coloured.find(info.v_placement ? "\x1b[97;44m0F0 " : "\x1b[97;44mF0 F1 "),
              std::string::npos);
    for (const std::string& text : lines_of(coloured)) {
      EXPECT_TRUE(text.ends_with("\x1b[0m"));
    }
    std::string plain = std::regex_replace(coloured, std::regex("\x1b\\[[0-9;]*m"), "");
    plain = std::regex_replace(plain, std::regex(" +\n"), "\n");
    EXPECT_EQ(plain, draw_grid(schedule));
  }
}

TEST(GridTest, FitsIntoTheGivenColumnsWithNothingLost) {
  const Schedule schedule = make_schedule("1f1b", {.ranks = 4, .micro_batches = 12});
  const std::vector<std::string> whole = lines_of(draw_grid(schedule));
  for (int columns = 12; columns < 240; ++columns) {
    SCOPED_TRACE(testing::Message() << columns << " columns");
    const std::vector<std::string> lines = lines_of(draw_grid(schedule, {.columns = columns}));
    std::vector<std::string> joined(4);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      ASSERT_LE(lines[i].size(), static_cast<std::size_t>(columns));
      if (i % 5 == 4) {
        EXPECT_EQ(lines[i], "");  // between two blocks
      } else {
        EXPECT_TRUE(lines[i].starts_with("rank " + std::to_string(i % 5)));
        joined[i % 5] += lines[i].substr(8);
      }
    }
    for (std::size_t rank = 0; rank < 4; ++rank) {
      const auto without_gaps = [](std::string text) {
        std::erase_if(text, [](char c) { return c == ' ' || c == '-'; });
        return text;
      };
      EXPECT_EQ(without_gaps(joined[rank]), without_gaps(whole[rank].substr(8)));
    }
  }
}

TEST(GridTest, ClosesItsGapsBeforeItIsCut) {
  EXPECT_EQ(draw_grid(make_schedule("gpipe", {.ranks = 2, .micro_batches = 2}), {.columns = 26}),
            "rank 0  F0F1. . . B0--B1--\n"
            "rank 1  . F0F1B0--B1--. .\n");
}

// For 4 ranks and 4 micro-batches or as many as it needs, with 2 stages a rank where it takes
// several, cut where it would be too wide.
std::string draw_of(const ScheduleInfo& info) {
  const PipelineSize size{.ranks = 4,
                          .micro_batches = 4 * std::max(1, info.rounds),
                          .stages_per_rank = info.several_stages ? 2 : 0};
  // Those would only just fit, without gaps.
  const bool wide = info.name == "interleaved-zb" || info.name == "dualpipe";
  return draw_grid(info.make(size), {.columns = wide ? 80 : 95});
}

// The comment that opens a generator's header holds its timetable.
TEST(GridTest, DrawsWhatTheGeneratorsHeadersShow) {
  for (const ScheduleInfo& info : schedules()) {
    std::string room(info.name == "1f1b" ? "one_f_one_b" : info.name);
    std::ranges::replace(room, '-', '_');
    std::ifstream header(LOCKFLIGHT_SOURCE_DIR "/include/lockflight/schedule/" + room + ".h");
    ASSERT_TRUE(header) << room;
    std::string shown;
    for (std::string text; std::getline(header, text);) {
      constexpr std::string_view kMargin = "//   ";
      if (text.starts_with(kMargin)) {
        shown += text.substr(kMargin.size()) + "\n";
      } else if (text == "//" && !shown.empty()) {
        shown += "\n";
      }
    }
    shown.resize(shown.find_last_not_of('\n') + 2);
    EXPECT_EQ(shown, draw_of(info)) << room;
  }
}

// The fenced blocks of a page that begin with a timetable's first rank.
std::vector<std::string> timetables_of(const std::string& page) {
  std::ifstream file(LOCKFLIGHT_SOURCE_DIR "/" + page);
  std::vector<std::string> found;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      inside = false;
    } else if (inside || line.starts_with("rank 0  ")) {
      if (!inside) {
        found.emplace_back();
      }
      inside = true;
      found.back() += line + "\n";
    }
  }
  return found;
}

TEST(GridTest, DrawsWhatTheReadmeShows) {
  EXPECT_THAT(
      timetables_of("README.md"),
      testing::ElementsAre(draw_grid(make_schedule("1f1b", {.ranks = 4, .micro_batches = 8}))));
}

}  // namespace
}  // namespace lockflight::schedule
