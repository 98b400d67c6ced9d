#include "tools/simulate_command.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

nlohmann::json json_of(const Words& words) {
  const Outcome outcome = run_here(Words{"simulate"} + words + Words{"--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return nlohmann::json::parse(outcome.out);
}

TEST(SimulateCommandTest, PrintsWhatTheFormulasOf1F1BSay) {
  const auto json = json_of({"1f1b", "--ranks", "4", "--micro-batches", "8", "--forward", "2",
                             "--input-gradient", "3", "--weight-gradient", "1", "--transfer", "0"});
  EXPECT_EQ(json["makespan"], (8 + 3) * 6);
  EXPECT_NEAR(json["idle_barrier"], 3.0 / 11, 1e-12);
  EXPECT_NEAR(json["idle_span"], 1 - 8 / 9.5, 1e-12);
  EXPECT_EQ(json["peak_activations"], nlohmann::json({4, 3, 2, 1}));
  ASSERT_EQ(json["ranks"].size(), 4U);
  for (int rank = 0; rank < 4; ++rank) {
    const auto& idle = json["ranks"][rank]["idle"];
    EXPECT_EQ(idle["tail"], 4 * rank);  // rank 0 has r backwards more to run
    EXPECT_EQ(idle["dependency"], 18 - 4 * rank);
    EXPECT_EQ(idle["transfer"], 0);
    EXPECT_EQ(idle["imbalance"], 0);
    EXPECT_EQ(idle["host"], 0);
  }
}

// One layer of rank 0's I runs while the gradient is made and travels: from 1 + 3 on, when its
// activation is there, rank 0 has nothing to do for 1 + 4 + 3 more.
TEST(SimulateCommandTest, RecomputesWhileTheGradientIsOnItsWay) {
  const Words words = {"1f1b", "--ranks",    "2", "--micro-batches", "1", "--input-gradient",
                       "3",    "--transfer", "3"};
  const double plain = json_of(words)["makespan"];
  EXPECT_EQ(plain, 1 + 3 + 1 + 4 + 3 + 4);
  const auto ahead = json_of(words + Words{"--recompute-time", "2"});
  EXPECT_EQ(ahead["makespan"], plain - 2);
  EXPECT_EQ(ahead["ranks"][0]["busy"], 5);
  EXPECT_EQ(ahead["ranks"][0]["idle"]["dependency"], 1 + 4 - 2);
  EXPECT_EQ(ahead["ranks"][0]["idle"]["transfer"], 3 + 3);
  EXPECT_THAT(run_here(Words{"simulate"} + words + Words{"--recompute-time", "4"}).err,
              HasSubstr("--recompute-time is 4; it must be at most the 3 of --input-gradient"));
}

// A stage takes its share of the rank's times, so the idle time is v times smaller.
TEST(SimulateCommandTest, SharesTheTimesOfARankAmongItsStages) {
  const auto json = json_of({"interleaved", "--ranks", "2", "--micro-batches", "4", "--chunks", "2",
                             "--forward", "2", "--input-gradient", "2", "--weight-gradient", "2"});
  EXPECT_EQ(json["makespan"], 4 * 6 + 1 * 6 / 2);
  EXPECT_EQ(json["peak_activations"], nlohmann::json({2.5, 1.5}));
}

// ZB-2p: with a barrier every step costs p - 1 more, without one ranks begin where they have ended.
TEST(SimulateCommandTest, SimulatesStepsInARowWithAndWithoutABarrier) {
  const train::ScratchFolder folder;
  const std::string file = folder / "zb-2p.csv";
  train::write_file(file,
                    "0F0,0F1,0F2,0I0,0W0,0I1,0W1,0I2,0W2\n"
                    "1F0,1I0,1F1,1I1,1F2,1I2,1W0,1W1,1W2\n");
  const Words words = {file, "--steps", "3"};
  const auto barriers = json_of(words);
  EXPECT_EQ(barriers["steps"], 3);
  EXPECT_EQ(barriers["makespan"], 3 * 10);
  EXPECT_EQ(barriers["step_time"], 10);
  const auto in_schedule = json_of(words + Words{"--optimizer-in-schedule"});
  EXPECT_EQ(in_schedule["makespan"], 3 * 9 + 1);
  EXPECT_EQ(in_schedule["step_time"], 9);
  EXPECT_EQ(in_schedule["idle_span"], 0);
  EXPECT_THAT(run_here(Words{"simulate"} + words).out,
              HasSubstr("makespan 30 of 3 steps, one more takes 10"));
  EXPECT_THAT(run_here({"simulate", "gpipe", "--steps", "0"}).err, HasSubstr("--steps is 0"));
}

TEST(SimulateCommandTest, TellsTransfersAndTheHostApart) {
  const auto slow_links =
      json_of({"1f1b", "--ranks", "2", "--micro-batches", "1", "--transfer", "3"});
  EXPECT_EQ(slow_links["ranks"][1]["idle"]["transfer"], 3);
  EXPECT_EQ(slow_links["makespan"], 6 + 2 * 3);
  const auto slow_host = json_of({"1f1b", "--ranks", "1", "--micro-batches", "2", "--host", "10"});
  EXPECT_EQ(slow_host["ranks"][0]["idle"]["host"], 10 + 9 + 8 + 9);
}

TEST(SimulateCommandTest, SearchesAScheduleForTheTimesThatAreGiven) {
  const Words size = {"--ranks", "3", "--micro-batches", "6", "--transfer", "0.25"};
  const auto found = json_of(Words{"auto", "--weight-gradient", "0.5"} + size);
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const char* chunks : {"1", "2"}) {
      std::ostringstream out;
      std::ostringstream err;
      const Words words = Words{"simulate", std::string(info.name), "--json", "--chunks",
                                chunks,     "--weight-gradient",    "0.5"} +
                          size;
      if (info.name != "forward-only" && run_command(words, {.out = out}, err) == 0) {
        EXPECT_LE(found["makespan"], nlohmann::json::parse(out.str())["makespan"]) << info.name;
      }
    }
  }
}

class SimulateFileTest : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    train::write_file(path_, text);
    return path_;
  }
  // Exit code and, if it is a refusal, one sentence.
  void expect_refusal(const Words& words, int exit_code, const std::string& sentence) {
    const Outcome outcome = run_here(Words{"simulate"} + words);
    EXPECT_EQ(outcome.exit_code, exit_code) << testing::PrintToString(words);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(sentence)));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  }

  train::ScratchFolder scratch_;
  std::string path_ = scratch_ / "schedule.csv";
};

TEST_F(SimulateFileTest, TakesAFileForTheScheduleThatIsInIt) {
  const auto schedule = schedule::make_schedule(
      "interleaved", {.ranks = 2, .micro_batches = 4, .stages_per_rank = 2});
  const std::string path = write(schedule::write_csv(schedule));
  auto named = json_of({"interleaved", "--ranks", "2", "--micro-batches", "4", "--chunks", "2",
                        "--transfer", "0.25"});
  auto read = json_of({path, "--transfer", "0.25"});
  EXPECT_EQ(read["schedule"], path);
  named.erase("schedule");
  read.erase("schedule");
  EXPECT_EQ(read, named);
  read = json_of({path, "--ranks", "2", "--micro-batches", "4", "--chunks", "2"});
  EXPECT_EQ(read["makespan"], 13.5);
}

TEST_F(SimulateFileTest, UpdatesWhereTheTextHasIt) {
  const Words size = {"--ranks", "3", "--micro-batches", "6"};
  const Words steps = {"--steps", "3"};
  for (const Words& place : {Words{}, Words{"--optimizer-in-schedule"}}) {
    const Outcome text = run_here(Words{"schedule", "zb-2p", "--format", "text"} + size + place);
    const std::string path = write(text.out);
    EXPECT_EQ(json_of(Words{path} + steps), json_of(Words{"zb-2p"} + size + steps + place));
    EXPECT_EQ(json_of(Words{path} + steps + place), json_of(Words{path} + steps));
    if (place.empty()) {
      expect_refusal({path, "--optimizer-in-schedule"}, 64, "says NORM UPDATE");
    }
  }
}

TEST_F(SimulateFileTest, RefusesASizeThatTheFileDoesNotHave) {
  const std::string path = write("0F0,0B0\n1F0,1B0\n");
  expect_refusal({path, "--ranks", "3"}, 64, "--ranks is 3, but " + path + " has 2 ranks");
  expect_refusal({path, "--micro-batches", "2"}, 64, "--micro-batches is 2");
  expect_refusal({path, "--chunks", "2"}, 64, "has 1 stages on rank 0");
}

TEST_F(SimulateFileTest, RunsAFileWithTransfersInItsOwnOrder) {
  const std::string first = "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n";
  const Words times = {"--transfer", "1"};
  // 1F0 from 2 to 3, only then the second input, to 4; 1F1 to 5, 1B0 to 7, its transfer to 8; 0B0
  // to 10, only then the transfer of the second gradient, to 11; 0B1 to 13.
  const auto late = json_of(
      Words{write(first + "1RECV_F0,1F0,1RECV_F1,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n")} + times);
  EXPECT_EQ(late["makespan"], 13);
  EXPECT_EQ(late["peak_activations"], nlohmann::json({2, 2}));
  // The second input comes beside 1F0.
  const auto early = json_of(
      Words{write(first + "1RECV_F0,1RECV_F1,1F0,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n")} + times);
  EXPECT_EQ(early["makespan"], 12);
}

TEST_F(SimulateFileTest, DrawsNoTimetableOfAFileWithTransfers) {
  const Outcome outcome =
      run_here({"simulate", write("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(StartsWith(" rank  "), HasSubstr("makespan 6;")));
}

TEST_F(SimulateFileTest, RefusesAFileWithoutAScheduleThatCanBeRun) {
  expect_refusal({write("0F0,0X0\n")}, 65,
                 path_ + ": schedule file, row 1, cell 2 (line 1, column");
  expect_refusal({write("")}, 65, path_);
  expect_refusal({write("0F0,0B0\n1F0\n")}, 65,
                 "row 2 (line 2, column 1): 1B0 is missing; and 1 more");
  expect_refusal({write("0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n")}, 65,
                 path_ + ": row 1, cell 2 (line 1, column 5): a circle: rank 0 stands at compute");
  expect_refusal({write("0F0,0SEND_F0\n1RECV_F0,1F0,1F0\n")}, 65, "(line 2, column 14): ");
  expect_refusal({write("0F0,0SEND_F0\n1F0,1RECV_F0\n")}, 65, "(line 2, column 1): compute 1F0");
  expect_refusal({scratch_ / "missing.csv"}, 74, "missing.csv");
}

TEST_F(SimulateFileTest, RefusesOptionsThatCannotWork) {
  expect_refusal({}, 64, "which schedule?");
  expect_refusal({"2f2b"}, 64, "there is no schedule \"2f2b\"");
  expect_refusal({"1f1b", "--chunks", "2"}, 64, "2 stages per rank");
  expect_refusal({"1f1b", "--ranks", "0"}, 64, "--ranks is 0");
  expect_refusal({"1f1b", "--ranks", "4096", "--micro-batches", "65536"}, 64, "at most 8388608");
  expect_refusal({"1f1b", "--forward", "-1"}, 64, "--forward is -1");
  expect_refusal({"1f1b", "--transfer", "nan"}, 64, "--transfer");
  expect_refusal({"1f1b", "--host", "inf"}, 64, "--host");
  expect_refusal({"1f1b", "--input-gradient", "much"}, 64, "--input-gradient");
}

std::string timeline_text(const Words& words, int columns) {
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_command(Words{"simulate"} + words, {.out = out, .columns = columns}, err), 0)
      << err.str();
  return out.str();
}

TEST(SimulateCommandTest, DrawsTheTimetableWhereItFitsAndPrintsATable) {
  const Words words = {"gpipe", "--ranks", "2", "--micro-batches", "2"};
  const std::string text = timeline_text(words, 40);
  EXPECT_THAT(text, StartsWith("rank 0  F0 F1 .  .  .  B0--- B1---\n"
                               "rank 1  .  F0 F1 B0--- B1--- .  .\n\n"
                               " rank        busy  dependency    transfer"));
  EXPECT_THAT(text, HasSubstr("gpipe: makespan 9; idle 33.3 % up to a common end, 20.0 % between"));
  EXPECT_THAT(timeline_text(words, 20), StartsWith(" rank  "));
  EXPECT_THAT(timeline_text(words + Words{"--transfer", "1"}, 80), StartsWith(" rank  "));
  EXPECT_THAT(timeline_text(words + Words{"--forward", "1.5"}, 80), StartsWith(" rank  "));
  EXPECT_THAT(timeline_text(words + Words{"--forward", "0"}, 80), StartsWith(" rank  "));
  EXPECT_THAT(timeline_text(words + Words{"--forward", "2"}, 80),
              StartsWith("rank 0  F0--- F1---"));
}

}  // namespace
}  // namespace lockflight::tools
