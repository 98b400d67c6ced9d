#include "tools/plan_command.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/text.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Answer {
  int exit_code = 0;
  std::string text;
};

Answer answer(const PlanCommandOptions& options) {
  std::ostringstream out;
  const int exit_code = run_plan(options, {.out = out});
  return {exit_code, out.str()};
}

TEST(PlanCommandTest, PrintsStagesMemoryAndPrediction) {
  const Answer plan =
      answer({.model = {.layers = 6, .width = 192, .heads = 6}, .ranks = 2, .micro_batches = 4});
  EXPECT_EQ(plan.exit_code, 0);
  EXPECT_THAT(plan.text, AllOf(HasSubstr("embedding"), HasSubstr("peak of the step"),
                               HasSubstr("proved complete"), HasSubstr("estimated for h100"),
                               HasSubstr("rank 1")));
}

TEST(PlanCommandTest, PlansAHundredAndSeventyFiveBillionParameters) {
  const Answer plan =
      answer({.named = "gpt3-175b", .ranks = 64, .micro_batches = 8, .memory = "80GiB"});
  EXPECT_EQ(plan.exit_code, 0) << plan.text;
  EXPECT_THAT(plan.text, HasSubstr("80.0 GiB"));
}

TEST(PlanCommandTest, RefusesWhatDoesNotFitWithRankActionAndTensors) {
  const Answer plan =
      answer({.named = "gpt3-175b", .ranks = 8, .micro_batches = 8, .memory = "80GiB"});
  EXPECT_EQ(plan.exit_code, 65);
  EXPECT_THAT(
      plan.text,
      AllOf(HasSubstr("refused: rank 0 needs"), HasSubstr("7 other ranks are beyond it too"),
            HasSubstr("more than the limit of 80.0 GiB"), HasSubstr("peak is at")));
}

TEST(PlanCommandTest, RecomputesWhereMemoryForcesIt) {
  PlanCommandOptions options{
      .named = "gpt3-175b", .ranks = 64, .micro_batches = 128, .memory = "80GiB"};
  EXPECT_EQ(answer(options).exit_code, 65);
  EXPECT_THAT(answer(options).text, HasSubstr("recomputation"));
  options.recompute = "when-needed";
  const Answer plan = answer(options);
  EXPECT_EQ(plan.exit_code, 0) << plan.text;
  EXPECT_THAT(plan.text, AllOf(HasSubstr("recomputed  ahead (R)\n"), HasSubstr("proved complete")));
}

TEST(PlanCommandTest, InBf16BoundariesAreHalfAsLargeAndStepsFaster) {
  PlanCommandOptions options{.named = "gpt2-124m", .ranks = 4, .split = "even", .json = true};
  const Plan wide = plan_from_json(answer(options).text);
  options.model.dtype = "bf16";
  const Plan narrow = plan_from_json(answer(options).text);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(2 * narrow.stages[rank].boundary_bytes, wide.stages[rank].boundary_bytes);
  }
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_LT(narrow.memory[rank].step_bytes, wide.memory[rank].step_bytes);
    EXPECT_GT(narrow.memory[rank].parameter_bytes, wide.memory[rank].parameter_bytes);
    EXPECT_EQ(narrow.memory[rank].gradient_bytes, wide.memory[rank].gradient_bytes);
    EXPECT_EQ(narrow.memory[rank].optimizer_bytes, wide.memory[rank].optimizer_bytes);
  }
  EXPECT_LT(narrow.prediction.step_seconds, 0.7 * wide.prediction.step_seconds);
  EXPECT_THROW(answer({.model = {.dtype = "f16"}}), InvalidArgument);
}

TEST(PlanCommandTest, JsonIsThePlanThatCanBeLoaded) {
  const Answer plan = answer({.named = "llama-7b", .ranks = 4, .micro_batches = 4, .json = true});
  ASSERT_EQ(plan.exit_code, 0) << plan.text;
  const Plan loaded = plan_from_json(plan.text);
  EXPECT_EQ(loaded.ranks(), 4);
  EXPECT_EQ(plan_to_json(loaded), plan.text);
}

TEST(PlanCommandTest, TakesSeveralStagesARank) {
  const Answer plan = answer({.model = {.layers = 8, .width = 64},
                              .ranks = 2,
                              .chunks = 2,
                              .schedule = "interleaved",
                              .micro_batches = 4});
  EXPECT_EQ(plan.exit_code, 0) << plan.text;
  EXPECT_THAT(plan.text, HasSubstr("    3     1  "));
}

TEST(PlanCommandTest, SearchesASchedulePlansItAndSavesItForARun) {
  const train::ScratchFolder folder;
  const std::string path = folder / "auto.csv";
  PlanCommandOptions options{.model = {.layers = 4, .width = 64},
                             .ranks = 3,
                             .schedule = "auto",
                             .micro_batches = 6,
                             .save_schedule = path,
                             .json = true};
  const Plan found = plan_from_json(answer(options).text);
  EXPECT_EQ(schedule::read_csv(train::read_file(path), found.schedule.name), found.schedule);
  options.schedule = "1f1b";
  options.save_schedule.clear();
  EXPECT_LT(found.prediction.step_seconds,
            plan_from_json(answer(options).text).prediction.step_seconds);
}

// A text holds all of a plan that its schedule, split and recomputation decide.
TEST(PlanCommandTest, ASavedPlanIsMadeAgain) {
  const train::ScratchFolder folder;
  const PlanCommandOptions tiny{.model = {.layers = 4, .width = 64},
                                .ranks = 3,
                                .micro_batches = 6,
                                .device_profile = "cpu-2core"};
  std::vector<PlanCommandOptions> cases(4, tiny);
  cases[0].schedule = cases[1].schedule = "auto";
  cases[1].memory = "2700KiB";  // some layers are recomputed, some are not
  cases[1].recompute = "when-needed";
  cases[2].schedule = "interleaved";
  cases[2].chunks = 2;
  cases[2].recompute = "always";
  cases[2].optimizer_in_schedule = true;
  cases[3].schedule = "forward-only";
  for (PlanCommandOptions& options : cases) {
    options.save_schedule = folder / "saved.lfs";
    options.json = true;
    const Answer first = answer(options);
    ASSERT_EQ(first.exit_code, 0) << first.text;
    PlanCommandOptions again = tiny;
    again.schedule = options.save_schedule;
    again.memory = options.memory;
    again.save_schedule = folder / "again.lfs";
    again.json = true;
    EXPECT_EQ(answer(again).text, first.text) << options.schedule;
    const std::string saved = train::read_file(options.save_schedule);
    EXPECT_EQ(train::read_file(again.save_schedule), saved);
    const auto recomputed = schedule::read_text(saved).choices.recomputed.size();
    if (!options.memory.empty()) {
      EXPECT_THAT(recomputed, AllOf(testing::Gt(0U), testing::Lt(9U)));
    }
  }
}

TEST(PlanCommandTest, TakesTheStagesOfAVPlacementByItself) {
  for (const char* schedule : {"zb-v", "V-Half", "dualpipev"}) {
    const Answer plan = answer({.model = {.layers = 8, .width = 64},
                                .ranks = 2,
                                .schedule = schedule,
                                .micro_batches = 4});
    EXPECT_EQ(plan.exit_code, 0) << plan.text;
    EXPECT_THAT(plan.text, HasSubstr("    3     0  "));
  }
}

TEST(PlanCommandTest, RefusesWhatCannotBePlanned) {
  EXPECT_THROW(answer({.chunks = 3, .schedule = "zb-v"}), InvalidArgument);
  EXPECT_THROW(answer({.schedule = "dualpipev", .micro_batches = 7}), InvalidArgument);
  EXPECT_THROW(answer({.schedule = "1f1b", .group = 4}), InvalidArgument);
  EXPECT_THROW(answer({.named = "gpt5"}), InvalidArgument);
  EXPECT_THROW(answer({.ranks = 0}), InvalidArgument);
  EXPECT_THROW(answer({.memory = "lots"}), InvalidArgument);
  EXPECT_THROW(answer({.device_profile = "abacus"}), InvalidArgument);
  EXPECT_THROW(answer({.model = {.layers = 1}, .ranks = 9}), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::tools
