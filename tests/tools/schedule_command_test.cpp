#include "tools/schedule_command.h"

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

TEST(ScheduleCommandTest, PrintsACsvFileThatReadsBackAsTheSchedule) {
  const Outcome outcome =
      run_here({"schedule", "1f1b", "--ranks", "4", "--micro-batches", "8", "--format", "csv"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  const auto expected = schedule::make_schedule("1f1b", {.ranks = 4, .micro_batches = 8});
  const auto read = schedule::read_csv(outcome.out, expected.name);
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(read.actions(rank), expected.actions(rank));
  }
}

TEST(ScheduleCommandTest, PrintsTheOtherDialectWithEveryTransferInACellOfItsOwn) {
  EXPECT_EQ(run_here({"schedule", "1f1b", "--ranks", "2", "--micro-batches", "2", "--format",
                      "csv-comms"})
                .out,
            "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
            "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n");
}

TEST(ScheduleCommandTest, PrintsTheTextFormWithWhatIsChosen) {
  const Words words = {"schedule", "1f1b", "--ranks", "1", "--micro-batches", "1"};
  const std::string head = "lockflight schedule 1\nname 1f1b\nmicro-batches 1\nplacement 0\n";
  EXPECT_EQ(run_here(words + Words{"--format", "text"}).out,
            head + "rank 0: 0F0 0B0 TIED NORM UPDATE\n");
  EXPECT_EQ(run_here(words +
                     Words{"--format", "text", "--recompute", "always", "--optimizer-in-schedule"})
                .out,
            head + "recompute always\nrank 0: 0F0 0B0 TIED SUMS UPDATE VALIDATE\n");
}

TEST(ScheduleCommandTest, WritesAFileInTheFormThatItsNameSays) {
  const train::ScratchFolder folder;
  const Words words = {"schedule", "zb-v", "--ranks", "2", "--micro-batches", "4"};
  for (const auto& [name, format] :
       {std::pair("a.csv", "csv"), std::pair("a.lfs", "text"), std::pair("a", "text")}) {
    const Outcome outcome = run_here(words + Words{"--out", folder / name});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(train::read_file(folder / name), run_here(words + Words{"--format", format}).out);
  }
  EXPECT_EQ(run_here(words + Words{"--out", folder / "a.csv", "--format", "text"}).exit_code, 0);
  EXPECT_TRUE(schedule::is_text(train::read_file(folder / "a.csv")));
}

// By their first line, whatever their names are.
TEST(ScheduleCommandTest, TakesFilesOfBothForms) {
  const train::ScratchFolder folder;
  const Words made = {"schedule", "zb-v",     "--ranks", "2",           "--micro-batches",
                      "4",        "--format", "text",    "--recompute", "never"};
  const std::string text = run_here(made).out;
  train::write_file(folder / "zb-v.csv", text);
  const Words words = {"schedule", folder / "zb-v.csv"};
  EXPECT_EQ(run_here(words + Words{"--format", "text"}).out, text);
  EXPECT_EQ(run_here(words).out,
            run_here({"schedule", "zb-v", "--ranks", "2", "--micro-batches", "4"}).out);

  const std::string csv = run_here(words + Words{"--format", "csv"}).out;
  train::write_file(folder / "zb-v.lfs", csv);
  const Words back = {"schedule", folder / "zb-v.lfs", "--format"};
  EXPECT_EQ(run_here(back + Words{"csv"}).out, csv);
  EXPECT_EQ(run_here(back + Words{"text", "--recompute", "never"}).out, text);

  const std::string comms = run_here(words + Words{"--format", "csv-comms"}).out;
  train::write_file(folder / "comms.csv", comms);
  EXPECT_EQ(run_here({"schedule", folder / "comms.csv", "--format", "csv-comms"}).out, comms);
  EXPECT_THAT(run_here({"schedule", folder / "comms.csv"}).out, StartsWith("rank 0  0F0 "));
}

TEST(ScheduleCommandTest, RefusesWhatAFileOrAFormCannotSay) {
  const train::ScratchFolder folder;
  const std::string file = folder / "a.lfs";
  run_here({"schedule", "1f1b", "--ranks", "2", "--recompute", "never", "--out", file});
  const auto refusal = [](const Words& words) {
    const Outcome outcome = run_here(Words{"schedule"} + words);
    EXPECT_EQ(outcome.exit_code, 64) << testing::PrintToString(words);
    return outcome.err;
  };
  EXPECT_THAT(refusal({"1f1b", "--recompute", "always"}),
              HasSubstr("--recompute is of no use with --format grid"));
  EXPECT_THAT(refusal({"1f1b", "--optimizer-in-schedule", "--out", "a.csv"}),
              HasSubstr("--optimizer-in-schedule is of no use with --format csv"));
  EXPECT_THAT(refusal({"1f1b", "--recompute", "when-needed", "--out", "a.lfs"}),
              HasSubstr("there is no model whose memory could need it"));
  EXPECT_THAT(refusal({file, "--ranks", "3"}), HasSubstr("--ranks is 3, but "));
  EXPECT_THAT(refusal({file, "--group", "2"}), HasSubstr("its order is already made"));
  EXPECT_THAT(refusal({file, "--recompute", "always", "--format", "text"}),
              HasSubstr("says recompute never"));
}

TEST(ScheduleCommandTest, DrawsAGridUnlessToldOtherwise) {
  const Outcome outcome = run_here({"schedule", "gpipe", "--ranks", "2", "--micro-batches", "2"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("rank 0  F0 F1 .  .  .  B0--- B1---\n"
                                      "rank 1  .  F0 F1 B0--- B1--- .  .\n"));
  // (p - 1) / (m + p - 1)
  EXPECT_THAT(outcome.out, HasSubstr("idle 33.3 %"));
}

TEST(ScheduleCommandTest, TakesStagesPerRank) {
  const Outcome outcome = run_here(
      {"schedule", "interleaved", "--ranks", "2", "--micro-batches", "2", "--chunks", "2"});
  EXPECT_THAT(outcome.out, StartsWith("rank 0  0F0 0F1 2F0 2F1 "));
  // (p - 1) / (v m + p - 1), and ((v - 1)p + 2(p - 1) + 1) / v micro-batches, at most m
  EXPECT_THAT(outcome.out, HasSubstr("idle 20.0 %"));
  EXPECT_THAT(outcome.out, HasSubstr("at most 2 micro-batches"));
}

TEST(ScheduleCommandTest, TakesTheStagesOfAVPlacementByItself) {
  const Words words = {"schedule",        "zb-v", "--ranks",  "2",
                       "--micro-batches", "4",    "--format", "csv"};
  const Outcome outcome = run_here(words);
  EXPECT_THAT(outcome.out, StartsWith("0F0,0F1,0F2,3F0,3I0,3W0,"));
  EXPECT_EQ(run_here(words + Words{"--chunks", "2"}).out, outcome.out);
}

TEST(ScheduleCommandTest, TakesGroups) {
  const Words words = {"schedule", "interleaved", "--ranks",  "2",   "--micro-batches", "6",
                       "--chunks", "2",           "--format", "csv", "--group"};
  EXPECT_THAT(run_here(words + Words{"3"}).out, StartsWith("0F0,0F1,0F2,2F0,"));
  EXPECT_EQ(run_here(words + Words{"0"}).out, run_here(words + Words{"2"}).out);
}

TEST(ScheduleCommandTest, PrintsJsonWithARowForEachRank) {
  const Outcome outcome =
      run_here({"schedule", "1f1b", "--ranks", "2", "--micro-batches", "1", "--format", "json"});
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["rows"], nlohmann::json::parse(R"([["0F0", "0B0"], ["1F0", "1B0"]])"));
  EXPECT_EQ(json["ranks"], 2);
  EXPECT_EQ(json["micro_batches"], 1);
  EXPECT_DOUBLE_EQ(json["idle_share"], 0.5);
}

TEST(ScheduleCommandTest, ListsEverySchedule) {
  const Outcome text = run_here({"schedule", "--list"});
  const auto json = nlohmann::json::parse(run_here({"schedule", "--list", "--json"}).out);
  ASSERT_EQ(json.size(), schedule::schedules().size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    EXPECT_EQ(json[i]["name"], schedule::schedules()[i].name);
    for (const char* key : {"name", "description", "idle", "keeps", "source"}) {
      EXPECT_THAT(text.out, HasSubstr(json[i][key].get<std::string>()));
    }
  }
}

TEST(ScheduleCommandTest, RefusesWhatCannotBe) {
  for (const Words& words :
       {Words{"schedule"}, Words{"schedule", "2f2b"}, Words{"schedule", "1f1b", "--ranks", "0"},
        Words{"schedule", "1f1b", "--micro-batches", "0"},
        Words{"schedule", "1f1b", "--chunks", "2"},
        Words{"schedule", "interleaved", "--chunks", "0"},
        Words{"schedule", "interleaved", "--ranks", "4", "--group", "3"},
        Words{"schedule", "interleaved", "--group", "-1"},
        Words{"schedule", "gpipe", "--group", "4"}, Words{"schedule", "zb-v", "--chunks", "3"},
        Words{"schedule", "dualpipev", "--ranks", "4", "--micro-batches", "7"},
        Words{"schedule", "1f1b", "--ranks", "4096", "--micro-batches", "65536"},
        Words{"schedule", "1f1b", "--format", "pdf"}, Words{"schedule", "1f1b", "gpipe"}}) {
    const Outcome outcome = run_here(words);
    EXPECT_EQ(outcome.exit_code, 64) << testing::PrintToString(words);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("lockflight: "));
  }
}

}  // namespace
}  // namespace lockflight::tools
