#include "tools/prove_command.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/text.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kComputeOnly = "0F0,0F1,,0B0,,0B1\n,1F0,1B0,1F1,1B1,\n";
constexpr const char* kVOfOneMicroBatch = "0F0,3F0,3B0,0B0\n1F0,2F0,2B0,1B0\n";

class ProveCommandTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  Outcome prove(const std::string& csv, const Words& more = {}) {
    return run_here(Words{"prove", write("schedule.csv", csv)} + more);
  }

  train::ScratchFolder folder_;
};

TEST_F(ProveCommandTest, SumsUpInOneLineWhatItHasProved) {
  const Outcome outcome = prove(kComputeOnly);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out,
              HasSubstr("schedule.csv: proved complete, free of deadlock and free of races: 2 "
                        "ranks, 2 stages, 2 micro-batches; 8 actions and 4 transfers in "));
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1);
}

TEST_F(ProveCommandTest, ProvesEverySchedulesFile) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const auto schedule = info.make({.ranks = 4, .micro_batches = 8});
    EXPECT_EQ(prove(schedule::write_csv(schedule)).exit_code, 0) << info.name;
  }
}

TEST_F(ProveCommandTest, ProvesTextsWithTheOptimizerWhereTheyHaveIt) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    schedule::SavedSchedule saved{.schedule = info.make({.ranks = 4, .micro_batches = 8}),
                                  .choices = {}};
    const Outcome plain = prove(write_text(saved));
    EXPECT_EQ(plain.exit_code, 0) << info.name;
    if (schedule::has_backward(saved.schedule)) {
      saved.choices.optimizer_in_schedule = true;
      const Outcome chain = prove(write_text(saved));
      EXPECT_EQ(chain.exit_code, 0) << info.name;
      EXPECT_NE(chain.out, plain.out) << "sums are sent besides";
    }
  }
}

TEST_F(ProveCommandTest, ListsWhatIsWrongWithItsPlace) {
  const Outcome outcome = prove("0F0,0F1,,0B0,,0B1\n,1F0,1B0,1B1,1F1,\n");
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("schedule.csv: refused, 1 finding\n"),
                                 HasSubstr("  incomplete row 2, cell 4 (line 2, column 10): "
                                           "compute 1B1 stands before its forward")));
}

TEST_F(ProveCommandTest, FindsWhatIsTwiceAndWhatIsMissing) {
  EXPECT_THAT(prove("0F0,0F0,0B0\n1F0,1B0\n").out,
              HasSubstr("  incomplete row 1, cell 2 (line 1, column 5): "));
  EXPECT_THAT(prove("0F0,0B0\n1F0\n").out,
              HasSubstr("  incomplete row 2 (line 2, column 1): 1B0 is missing\n"));
  EXPECT_THAT(
      prove("0F0, 0W0,0I0\n").out,
      HasSubstr("  incomplete row 1, cell 2 (line 1, column 6): compute 0W0 stands before"));
}

TEST_F(ProveCommandTest, OneStreamIsAnotherQuestion) {
  const Outcome outcome = prove(kComputeOnly, {"--one-stream"});
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("  deadlock   row 1, cell 2 (line 1, column 5): a "
                                           "circle: rank 0 stands at send 0SEND_F1"),
                                 HasSubstr("; rank 1 stands at send 1SEND_B0")));
  EXPECT_EQ(prove("0F0,0F1,0B0,0B1\n1F0,1F1,1B0,1B1\n", {"--one-stream"}).exit_code, 0);
}

TEST_F(ProveCommandTest, AWholeCircleIsTold) {
  const Outcome outcome = prove("0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n");
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("rank 0 stands at compute 0B0"),
                                 HasSubstr("rank 1 stands at compute 1F1")));
}

TEST_F(ProveCommandTest, PrintsJson) {
  const auto proved = nlohmann::json::parse(prove(kComputeOnly, {"--json"}).out);
  EXPECT_EQ(proved["proved"], true);
  EXPECT_EQ(proved["actions"], 8);
  EXPECT_EQ(proved["findings"].size(), 0U);
  const Outcome outcome = prove("0F0,0F1,0B0,0B1\n1F0,1B0,1F1\n", {"--json"});
  EXPECT_EQ(outcome.exit_code, 65);
  const auto refused = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(refused["proved"], false);
  EXPECT_EQ(refused["findings_in_all"], refused["findings"].size());
  EXPECT_EQ(refused["findings"][0]["kind"], "deadlock");
  EXPECT_EQ(refused["findings"][0]["row"], 1);
  EXPECT_EQ(refused["findings"][0]["cell"], 4);
  EXPECT_EQ(refused["findings"][1]["sentence"], "1B1 is missing");
  EXPECT_EQ(refused["findings"][1]["row"], 2);
  EXPECT_EQ(refused["findings"][1]["cell"], -1);
}

TEST_F(ProveCommandTest, HoldsThePlacementAgainstTheRows) {
  EXPECT_EQ(prove(kVOfOneMicroBatch, {"--placement", "v"}).exit_code, 0);
  EXPECT_EQ(prove(kVOfOneMicroBatch, {"--placement", write("ranks", "0, 1,1\n0\n")}).exit_code, 0);
  EXPECT_EQ(prove(kComputeOnly, {"--placement", "loop"}).exit_code, 0);
  const auto refusal = [&](const std::string& placement) {
    const Outcome outcome = prove(kVOfOneMicroBatch, {"--placement", placement});
    EXPECT_EQ(outcome.exit_code, 65);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(refusal("loop"),
              HasSubstr("stage 2 stands in row 2, which is rank 1, but --placement "
                        "loop puts it on rank 0"));
  EXPECT_THAT(refusal(write("ranks", "0 1 0 1")), HasSubstr("stage 2 stands in row 2"));
  EXPECT_THAT(refusal(write("ranks", "0 1 1")), HasSubstr("places 3 stages, the schedule has 4"));
  EXPECT_THAT(refusal(write("ranks", "0 1 one 0")),
              HasSubstr("ranks: line 1, column 5: entry 3 is no rank"));
  EXPECT_THAT(refusal(write("ranks", "0 -1 1 0")), HasSubstr("entry 2 is no rank"));
  EXPECT_THAT(refusal(write("ranks", "0\n99999999999 1 0")),
              HasSubstr("line 2, column 1: entry 2 is no rank"));
  EXPECT_EQ(prove(kVOfOneMicroBatch, {"--placement", (folder_.path() / "none").string()}).exit_code,
            74);
  EXPECT_THAT(prove(kComputeOnly, {"--placement", "v"}).err,
              HasSubstr("--placement v places 4 stages, the schedule has 2 on 2 ranks"));
}

TEST_F(ProveCommandTest, RefusesBadFilesInOneSentenceWithLineAndColumn) {
  const auto refusal = [&](const std::string& csv) {
    const Outcome outcome = prove(csv);
    EXPECT_EQ(outcome.exit_code, 65) << csv;
    EXPECT_EQ(outcome.out, "") << csv;
    EXPECT_THAT(outcome.err,
                StartsWith("lockflight: " + (folder_.path() / "schedule.csv").string() +
                           ": schedule file, row "));
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << csv;
    return outcome.err;
  };
  EXPECT_THAT(refusal("0F0,0X0\n"),
              HasSubstr("row 1, cell 2 (line 1, column 5): \"0X0\" is no action"));
  EXPECT_THAT(refusal("0F0,0B0\n1F0,1B0\r\n"), HasSubstr("row 2 (line 2, column 1)"));
  EXPECT_THAT(refusal("0F0,0B0\n\n"), HasSubstr("row 2 (line 2, column 1): there is no action"));
  EXPECT_THAT(refusal("0F0,0B0\n3F0,3B0\n"),
              HasSubstr("row 2, cell 1 (line 2, column 1): stage 3 is there, but stage 1"));
  EXPECT_THAT(refusal("0F0,1F0,0B0\n1B0\n"),
              HasSubstr("row 2, cell 1 (line 2, column 1): stage 1 stands in row 1"));
  EXPECT_THAT(refusal("0F0,0SEND_F0\n1RECV_F0, 1F0,1SEND_F0\n"),
              HasSubstr("row 2, cell 3 (line 2, column 15): 1SEND_F0: there is no stage at its"));
  EXPECT_THAT(refusal("0F2147483647\n"), HasSubstr("2147483648 micro-batches"));
  EXPECT_THAT(refusal(""), HasSubstr("row 1 (line 1, column 1): there is no action"));
}

TEST_F(ProveCommandTest, NeedsAFile) {
  EXPECT_EQ(run_here({"prove"}).exit_code, 64);
  EXPECT_EQ(run_here({"prove", (folder_.path() / "none.csv").string()}).exit_code, 74);
  EXPECT_THAT(run_here({"prove", "--help"}).out,
              AllOf(HasSubstr("--one-stream"), HasSubstr("Example")));
}

}  // namespace
}  // namespace lockflight::tools
