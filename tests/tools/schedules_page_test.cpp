// docs/schedules.md says and shows what the program does.

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/schedule/registry.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;

const std::filesystem::path kDocs = LOCKFLIGHT_SOURCE_DIR "/docs";

std::string page() { return train::read_file(kDocs / "schedules.md"); }

// The size of the pictures and of the table; two stages a rank where there can be any number.
Words sized(const schedule::ScheduleInfo& info, int ranks, int micro_batches) {
  Words words = {std::string(info.name), "--ranks", std::to_string(ranks), "--micro-batches",
                 std::to_string(micro_batches)};
  return info.several_stages ? words + Words{"--chunks", "2"} : words;
}

TEST(SchedulesPageTest, EveryScheduleHasASectionWithItsPicture) {
  const std::string text = page();
  std::size_t place = 0;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    SCOPED_TRACE(info.name);
    const std::size_t section = text.find(fmt::format("\n## {}\n", info.name));
    ASSERT_NE(section, std::string::npos);
    EXPECT_GT(section, place) << "the order is that of schedule --list";
    place = section;
    const std::string body = text.substr(section, text.find("\n## ", section + 1) - section);
    EXPECT_THAT(body, HasSubstr(fmt::format("](schedules/{}.svg)", info.name)));
    if (info.source != "none") {
      const std::string paper(info.source.substr(info.source.find("arXiv:")).substr(0, 16));
      EXPECT_THAT(body, HasSubstr(paper));
    }
  }
}

TEST(SchedulesPageTest, PicturesAreThoseThatRenderDraws) {
  std::set<std::string> drawn;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const std::string file = fmt::format("{}.svg", info.name);
    drawn.insert(file);
    const Outcome rendered = run_here(Words{"render"} + sized(info, 4, 8));
    EXPECT_TRUE(train::read_file(kDocs / "schedules" / file) == rendered.out)
        << file << ": cmake --build build/dev --target schedule_pictures draws it anew";
  }
  for (const auto& entry : std::filesystem::directory_iterator(kDocs / "schedules")) {
    EXPECT_TRUE(drawn.contains(entry.path().filename())) << entry.path() << " is of no schedule";
  }
}

// What stands behind a command in a block is what it prints.
TEST(SchedulesPageTest, CommandsPrintWhatThePageShows) {
  const std::string text = page();
  const std::string mark = "```\n$ lockflight ";
  int commands = 0;
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; ++commands) {
    at += mark.size();
    const std::size_t line_end = text.find('\n', at);
    std::istringstream stream(text.substr(at, line_end - at));
    Words words;
    for (std::string word; stream >> word;) {
      words.push_back(word);
    }
    EXPECT_EQ(run_here(words).out,
              text.substr(line_end + 1, text.find("```", line_end) - line_end - 1));
  }
  EXPECT_GT(commands, 0);
}

// The cells of a table's line, without spaces around them.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const std::size_t begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos
                        ? ""
                        : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

// Makespan, both idle shares, and what the rank keeps that keeps most.
std::vector<std::string> figures_of(const schedule::ScheduleInfo& info, int ranks,
                                    int micro_batches) {
  const Outcome outcome =
      run_here(Words{"simulate"} + sized(info, ranks, micro_batches) + Words{"--json"});
  const auto json = nlohmann::json::parse(outcome.out);
  const auto peaks = json["peak_activations"].get<std::vector<double>>();
  return {fmt::format("{:g}", json["makespan"].get<double>()),
          fmt::format("{:.1f} %", 100 * json["idle_barrier"].get<double>()),
          fmt::format("{:.1f} %", 100 * json["idle_span"].get<double>()),
          fmt::format("{:g}", std::ranges::max(peaks))};
}

TEST(SchedulesPageTest, TheTableHoldsWhatSimulateSays) {
  std::istringstream stream(page());
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("| schedule | v | p 4, m 8:")) {
      inside = true;
    } else if (inside && line.empty()) {
      break;
    } else if (inside && !line.starts_with("| --- |")) {
      rows.push_back(cells_of(line));
    }
  }
  std::vector<std::vector<std::string>> expected;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const auto size = run_here(Words{"schedule"} + sized(info, 4, 8) + Words{"--json"});
    const auto json = nlohmann::json::parse(size.out);
    std::vector<std::string> row = {
        fmt::format("`{}`", info.name),
        std::to_string(json["stages"].get<int>() / json["ranks"].get<int>())};
    for (const auto& [ranks, micro_batches] : {std::pair(4, 8), std::pair(8, 24)}) {
      const auto figures = figures_of(info, ranks, micro_batches);
      row.insert(row.end(), figures.begin(), figures.end());
    }
    expected.push_back(row);
  }
  std::string lines;
  for (const std::vector<std::string>& row : expected) {
    lines += fmt::format("| {} |\n", fmt::join(row, " | "));
  }
  EXPECT_EQ(rows, expected) << lines;
}

}  // namespace
}  // namespace lockflight::tools
