#include "tools/schedule_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "tools/command_runs.h"

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
    EXPECT_THAT(text.out, HasSubstr(std::string(schedule::schedules()[i].name)));
  }
}

TEST(ScheduleCommandTest, RefusesWhatCannotBe) {
  for (const Words& words :
       {Words{"schedule"}, Words{"schedule", "2f2b"}, Words{"schedule", "1f1b", "--ranks", "0"},
        Words{"schedule", "1f1b", "--micro-batches", "0"},
        Words{"schedule", "1f1b", "--chunks", "2"},
        Words{"schedule", "interleaved", "--chunks", "0"},
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
