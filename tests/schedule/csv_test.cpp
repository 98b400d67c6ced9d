#include "lockflight/schedule/csv.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/timetable.h"
#include "schedule/error_of.h"
#include "schedule/schedules.h"
#include "schedule/sizes.h"

namespace lockflight::schedule {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kComputeOnly = "0F0,0F1,,0B0,,0B1\n,1F0,1B0,1F1,1B1,\n";
constexpr std::string_view kCsvWithTransfers =
    "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1,0REDUCE_GRAD\n"
    "1UNSHARD,1RECV_F0,1RECV_F1,1F0,1B0,1SEND_B0,1F1,1B1,1SEND_B1,1RESHARD,1REDUCE_GRAD\n";
constexpr std::string_view kOverlapped =
    "0F0,0F1,,,3F0,3I0,3W0,(3F1;0B0)OVERLAP_F_B,3B1,0I1,0W1\n"
    ",1F0,2F0,1F1,(2F1;2B0)OVERLAP_F_B,1B0,2B1,1B1\n";

std::string csv_error(std::string_view text) {
  return error_of<DataError>([&] { read_csv(text); });
}

TEST(CsvTest, ReadsRowsAsRanksAndEmptyCellsAsIdleSlots) {
  const Schedule schedule = read_csv(kComputeOnly, "mine");
  EXPECT_EQ(schedule.name, "mine");
  EXPECT_EQ(schedule.placement, Placement::loop({.ranks = 2}));
  EXPECT_EQ(schedule.micro_batches, 2);
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0B0 0B1");
  EXPECT_EQ(line(schedule, 1), "1F0 1B0 1F1 1B1");
  EXPECT_TRUE(schedule.rows[0][2].empty());
  EXPECT_FALSE(is_lowered(schedule));
  EXPECT_THAT(validate(schedule), IsEmpty());
}

TEST(CsvTest, ReadsTheDialectWithTransfers) {
  const Schedule schedule = read_csv(kCsvWithTransfers);
  EXPECT_TRUE(is_lowered(schedule));
  EXPECT_EQ(schedule.rows[0][1], Cell{parse_action("0SEND_F0")});
  EXPECT_THAT(validate(schedule), IsEmpty());
}

TEST(CsvTest, ReadsOverlappedPairsAndFindsThePlacementByTheRows) {
  const Schedule schedule = read_csv(kOverlapped);
  EXPECT_EQ(schedule.placement, Placement::v(2));
  EXPECT_THAT(schedule.rows[0][7], ElementsAre(parse_action("3F1"), parse_action("0B0")));
  EXPECT_THAT(validate(schedule), IsEmpty());
}

TEST(CsvTest, WritesTheBytesThatItRead) {
  for (const std::string_view file : {kComputeOnly, kCsvWithTransfers, kOverlapped}) {
    std::string windows;
    for (const char c : file) {
      windows += c == '\n' ? "\r\n" : std::string(1, c);
    }
    const std::string open(file.substr(0, file.size() - 1));
    const std::string open_windows = windows.substr(0, windows.size() - 2);
    for (const std::string& text : {std::string(file), windows, open, open_windows}) {
      EXPECT_EQ(write_csv(read_csv(text), csv_style(text)), text);
    }
  }
}

TEST(CsvTest, WritesTheOrdersOfGeneratedSchedulesAndReadsThemBackEqual) {
  for (const ScheduleInfo& info : schedules()) {
    for (const PipelineSize& size : sizes_of(info, 5, std::array{1, 2, 5, 12}, 3)) {
      const Schedule schedule = info.make(size);
      for (const CsvStyle style : {CsvStyle{}, CsvStyle{.carriage_returns = true}}) {
        const std::string text = write_csv(schedule, style);
        const Schedule read = read_csv(text, schedule.name);
        EXPECT_EQ(read, schedule) << info.name;
        EXPECT_EQ(write_csv(read, style), text) << info.name;
      }
    }
  }
  EXPECT_EQ(write_csv(make_schedule("1f1b", {.ranks = 2, .micro_batches = 2})),
            "0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n");
}

TEST(CsvTest, AcceptsSpacesAroundCells) {
  EXPECT_EQ(read_csv(" 0F0 ,\t0B0, \n"), read_csv("0F0,0B0,\n"));
}

TEST(CsvTest, NamesThePlaceOfWhatIsWrong) {
  EXPECT_THAT(csv_error(""), HasSubstr("file, row 1 (line 1, column 1): there is no action"));
  EXPECT_THAT(csv_error("0F0\n\n"), HasSubstr("row 2 (line 2, column 1): there is no action"));
  EXPECT_THAT(csv_error("0F0\n,,\n"), HasSubstr("row 2 (line 2, column 1): there is no action"));
  EXPECT_THAT(csv_error("0F0\n,1X0\n"),
              HasSubstr("row 2, cell 2 (line 2, column 2): \"1X0\" is no action: \"X\""));
  EXPECT_THAT(csv_error("0F0, \t 1X0\n"), HasSubstr("row 1, cell 2 (line 1, column 8): "));
  EXPECT_THAT(csv_error("\"0F0\"\n"), HasSubstr("row 1, cell 1 (line 1, column 1): "));
  EXPECT_THAT(csv_error("0F\u00e9,1X0\n"), HasSubstr("row 1, cell 1 (line 1, column 1): "));
  EXPECT_THAT(csv_error("0F0,1F0\n,,1B0,\n"),
              HasSubstr("row 2, cell 3 (line 2, column 3): stage 1 stands in row 1 already"));
  EXPECT_THAT(
      csv_error("0F0\n2F0,2B0\n"),
      HasSubstr("row 2, cell 1 (line 2, column 1): stage 2 is there, but stage 1 is in no row"));
  EXPECT_THAT(
      csv_error("0F0,0F2\n"),
      HasSubstr("row 1, cell 2 (line 1, column 5): the file has 2 actions, but 1 stages and "
                "the 3 micro-batches up to this one need 3"));
  EXPECT_THAT(csv_error("0F2147483647\n"), HasSubstr("2147483648 micro-batches"));
  EXPECT_THAT(csv_error("0F0,0B0\r\n1F0\n"),
              HasSubstr("row 2 (line 2, column 1): rows end with and without"));
  EXPECT_THAT(csv_error("0F0,0B0\n1F0\r\n"),
              HasSubstr("row 2 (line 2, column 1): rows end with and without"));
}

// Columns count characters, and spaces are not part of a cell.
TEST(CsvTest, FindsEveryCellOfAFile) {
  const std::string text = "0F0, 0F1,,\t(3F1;0B0)OVERLAP_F_B\n  1F0,2F\u00e9 ,,1B0\n";
  for (std::size_t row = 1; row <= 2; ++row) {
    EXPECT_EQ(cell_place(text, row, 0),
              "row " + std::to_string(row) + " (line " + std::to_string(row) + ", column 1)");
  }
  EXPECT_EQ(cell_place(text, 1, 1), "row 1, cell 1 (line 1, column 1)");
  EXPECT_EQ(cell_place(text, 1, 2), "row 1, cell 2 (line 1, column 6)");
  EXPECT_EQ(cell_place(text, 1, 3), "row 1, cell 3 (line 1, column 10)");
  EXPECT_EQ(cell_place(text, 1, 4), "row 1, cell 4 (line 1, column 12)");
  EXPECT_EQ(cell_place(text, 2, 1), "row 2, cell 1 (line 2, column 3)");
  EXPECT_EQ(cell_place(text, 2, 2), "row 2, cell 2 (line 2, column 7)");
  EXPECT_EQ(cell_place(text, 2, 4), "row 2, cell 4 (line 2, column 13)");
}

TEST(CsvTest, RefusesPairsThatAreNotOneForwardAndOneBackward) {
  EXPECT_THAT(csv_error("(0F0;0B1)\n"),
              HasSubstr("cell 1 (line 1, column 1): an overlapped pair does not end in"));
  for (const std::string pair : {"0F0", "0F0;0F1", "0B0;0F1", "0F0;0B1;0W2", "0F0;0SEND_F0"}) {
    EXPECT_THAT(csv_error("0F0,(" + pair + ")OVERLAP_F_B\n"),
                HasSubstr("row 1, cell 2 (line 1, column 5): an overlapped pair is not one F and"));
  }
  EXPECT_THAT(csv_error("()OVERLAP_F_B\n"), HasSubstr("no stage number"));
}

std::string mutated_csv(std::string text, Random& random) {
  constexpr std::string_view kBytes = "0123456789FBIW_SENDRCV,;()\n\r \"\t\xff";
  for (std::uint64_t changes = 1 + random.next_below(4); changes > 0; --changes) {
    const std::size_t at = random.next_below(text.size() + 1);
    const char byte = kBytes[random.next_below(kBytes.size())];
    switch (random.next_below(4)) {
      case 0:
        text.insert(at, 1, byte);
        break;
      case 1:
        text.erase(at, 1 + random.next_below(8));
        break;
      case 2:
        text.resize(at);
        break;
      default:
        if (at < text.size()) {
          text[at] = byte;
        }
    }
  }
  return text;
}

// Whatever a file holds, it is read in full or refused in a sentence, and what was read can be
// looked at, drawn up and written again.
TEST(CsvTest, ReadsOrRefusesEveryMutationOfAFile) {
  int read = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random({.seed = seed});
    const std::vector<std::string_view> files = {kComputeOnly, kCsvWithTransfers, kOverlapped};
    const std::string text = mutated_csv(std::string(files[seed % 3]), random);
    try {
      const Schedule schedule = read_csv(text);
      ++read;
      std::string expected = text;
      std::erase_if(expected, [](char c) { return c == ' ' || c == '\t'; });
      EXPECT_EQ(write_csv(schedule, csv_style(text)), expected);
      if (validate(schedule).empty()) {
        make_timetable(schedule);
      }
    } catch (const DataError& error) {
      ++refused;
      EXPECT_THAT(error.what(), testing::StartsWith("schedule file"));
    } catch (const PlanError&) {  // valid, but its ranks wait for each other in a circle
    }
  }
  EXPECT_GT(read, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace lockflight::schedule
