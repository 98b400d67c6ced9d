#include "tools/render_command.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/render.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class RenderCommandTest : public testing::Test {
 protected:
  static std::string printed(const Words& words) {
    const Outcome outcome = run_here(Words{"render"} + words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  }

  static void expect_refusal(const Words& words, int exit_code, const std::string& sentence) {
    const Outcome outcome = run_here(Words{"render"} + words);
    EXPECT_EQ(outcome.exit_code, exit_code) << testing::PrintToString(words);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(sentence)));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  }

  train::ScratchFolder scratch_;
  std::string path_ = scratch_ / "picture.svg";
};

TEST_F(RenderCommandTest, DrawsTheStepThatSimulateTellsOf) {
  const auto schedule = schedule::make_schedule(
      "interleaved", {.ranks = 2, .micro_batches = 4, .stages_per_rank = 2});
  plan::StepCosts costs{.link = {.latency = 0.25}, .host = 0.125};
  costs.stages.resize(4, {.times = {.forward = 0.5, .input_gradient = 0.75, .weight_gradient = 1}});
  const auto step =
      plan::simulate(plan::lower(schedule, {}), costs, {.spans = true, .memory = true});
  EXPECT_EQ(printed({"interleaved", "--ranks", "2", "--micro-batches", "4", "--chunks", "2",
                     "--forward", "1", "--input-gradient", "1.5", "--weight-gradient", "2",
                     "--transfer", "0.25", "--host", "0.125", "--transfers"}),
            plan::render_svg(schedule, step, {.transfers = true}));
}

TEST_F(RenderCommandTest, DrawsStepsInARowWithTheOptimizerInTheSchedule) {
  const Words words = {"zb-2p", "--ranks", "2", "--micro-batches", "4", "--steps", "2"};
  EXPECT_THAT(printed(words), HasSubstr("makespan 26;"));  // two of 3 * 4 + 1
  const auto json = nlohmann::json::parse(
      run_here(Words{"simulate", "--optimizer-in-schedule", "--json"} + words).out);
  const auto made = nlohmann::json::parse(
      printed(words + Words{"--optimizer-in-schedule", "-o", path_, "--json"}));
  EXPECT_EQ(made["makespan"], json["makespan"]);
  EXPECT_EQ(made["makespan"], 25);
}

TEST_F(RenderCommandTest, WritesTheFileAndSaysNothing) {
  EXPECT_EQ(printed({"gpipe", "-o", path_}), "");
  EXPECT_EQ(train::read_file(path_), printed({"gpipe"}));
  EXPECT_EQ(printed({"1f1b", "--out", path_}), "");
  EXPECT_EQ(train::read_file(path_), printed({"1f1b"}));
}

TEST_F(RenderCommandTest, PrintsJsonBesideTheFile) {
  const auto json = nlohmann::json::parse(printed({"1f1b", "-o", path_, "--json"}));
  EXPECT_EQ(json["file"], path_);
  EXPECT_EQ(json["makespan"], 33);
  EXPECT_NEAR(json["idle_barrier"], 3.0 / 11, 1e-12);
  EXPECT_EQ(json["peak_activations"], nlohmann::json({4, 3, 2, 1}));
  EXPECT_EQ(train::read_file(path_), printed({"1f1b"}));
}

TEST_F(RenderCommandTest, DrawsAFileOfEitherDialect) {
  const std::string plain = scratch_ / "plain.csv";
  train::write_file(plain, "0F0,0F1,,0B0,,0B1\n,1F0,1B0,1F1,1B1,\n");
  EXPECT_THAT(printed({plain}), HasSubstr(">plain.csv: 2 ranks, 2 micro-batches<"));
  const std::string lowered = scratch_ / "lowered.csv";
  train::write_file(lowered,
                    "0F0,0SEND_F0,0RECV_B0,0B0\n"
                    "1RECV_F0,1F0,1B0,1SEND_B0\n");
  EXPECT_THAT(printed({lowered, "--transfer", "1"}), HasSubstr("makespan 8;"));
}

TEST_F(RenderCommandTest, AModelGivesSecondsAndBytes) {
  const Words words = {"1f1b", "--ranks",          "2",        "--micro-batches", "3", "--layers",
                       "2",    "--width",          "32",       "--heads",         "2", "--context",
                       "16",   "--device-profile", "cpu-2core"};
  const std::string picture = printed(words);
  EXPECT_THAT(picture, HasSubstr(">time, "));
  EXPECT_THAT(picture, HasSubstr("memory of each rank"));
  EXPECT_THAT(picture, HasSubstr("1f1b: 2 ranks, 3 micro-batches, a GPT of 2 layers on cpu-2core"));
  Words planned = words;
  planned.erase(planned.begin());
  const Outcome plan = run_here(Words{"plan", "--schedule", "1f1b", "--json"} + planned);
  const auto json = nlohmann::json::parse(plan.out);
  const auto made = nlohmann::json::parse(printed(words + Words{"-o", path_, "--json"}));
  EXPECT_EQ(made["makespan"], json["prediction"]["step_seconds"]);
}

TEST_F(RenderCommandTest, AModelGivesThemForAFileToo) {
  const Words model = {"--layers", "2", "--width", "32", "--heads", "2", "--context", "16"};
  const std::string file = scratch_ / "1f1b";
  train::write_file(file + ".csv", schedule::write_csv(schedule::make_schedule(
                                       "1f1b", {.ranks = 2, .micro_batches = 3})));
  std::string named = printed(Words{"1f1b", "--ranks", "2", "--micro-batches", "3"} + model);
  for (std::size_t place = 0; (place = named.find("1f1b:", place)) != std::string::npos;) {
    named.insert(place + 4, ".csv");
  }
  EXPECT_EQ(printed(Words{file + ".csv"} + model), named);
  expect_refusal(Words{file + ".csv", "--ranks", "3"} + model, 64, "--ranks is 3, but");
}

TEST_F(RenderCommandTest, RefusesOptionsThatCannotWork) {
  expect_refusal({}, 64, "render: which schedule? try lockflight render 1f1b");
  expect_refusal({"2f2b"}, 64, "there is no schedule \"2f2b\"");
  expect_refusal({"1f1b", "--ranks", "0"}, 64, "--ranks is 0");
  expect_refusal({"1f1b", "--forward", "-1"}, 64, "--forward is -1");
  expect_refusal({"1f1b", "--json"}, 64, "give the picture a file with -o");
  expect_refusal({"1f1b", "--model", "gpt2-124m", "--forward", "2"}, 64,
                 "--forward says how long actions take, and with --model a plan does");
  expect_refusal({"1f1b", "--layers", "2", "--steps", "2"}, 64, "--steps is 2, but of a plan one");
  expect_refusal({"1f1b", "--steps", "0"}, 64, "--steps is 0");
  expect_refusal({"1f1b", "--model", "gpt5"}, 64, "gpt5");
  expect_refusal({"1f1b", "--layers", "2", "--ranks", "0"}, 64, "--ranks is 0");
  expect_refusal({"1f1b", "--transfers=much"}, 64, "--transfers");
}

TEST_F(RenderCommandTest, RefusesWhatItCannotReadOrWrite) {
  expect_refusal({scratch_ / "missing.csv"}, 74, "missing.csv");
  expect_refusal({"1f1b", "-o", scratch_ / "nowhere" / "a.svg"}, 74, "a.svg");
  const std::string bad = scratch_ / "bad.csv";
  train::write_file(bad, "0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n");
  expect_refusal({bad, "-o", path_}, 65, bad + ": row 1, cell 2 (line 1, column 5): a circle");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(RenderCommandTest, RefusesAPlanThatDoesNotFitAsPlanDoes) {
  const Words words = {"--layers", "2", "--memory", "1KiB"};
  expect_refusal(Words{"1f1b", "-o", path_} + words, 65, "more than the limit of 1.00 KiB");
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(run_here(Words{"plan"} + words).exit_code, 65);
}

}  // namespace
}  // namespace lockflight::tools
