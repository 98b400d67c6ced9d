// What is planned, and how often it is run.  No test looks at how long anything took.

#include "tools/bench_steps.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/nn/gpt2.h"
#include "tools/bench_machine.h"
#include "tools/model_flops.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;

// 7 layers: embedding, the halves of two blocks, norm, head.
nn::Model tiny_gpt2() {
  return nn::gpt2({.vocabulary = 32, .context = 8, .layers = 2, .heads = 2, .width = 16});
}

BenchResults asked(const std::string& ranks, const std::string& schedules) {
  const BenchOptions options{
      .model = {.layers = 2, .width = 16, .heads = 2, .context = 8, .vocabulary = 32},
      .device = "cpu",
      .ranks = ranks,
      .schedules = schedules,
      .chunks = 3,
      .micro_batches = 6,
      .micro_batch_rows = 2,
      .steps = 2,
      .warmup = 3};
  return {.options = options, .machine = describe_machine(options, DeviceKind::cpu, {})};
}

Plan plan_of(const BenchResults& results, int ranks, const std::string& schedule, int stages) {
  nn::Model model = tiny_gpt2();
  return make_plan(model, ranks,
                   {.micro_batch = {.rows = 2},
                    .micro_batches = 6,
                    .schedule = schedule,
                    .stages_per_rank = stages,
                    .profile = results.layers});
}

TEST(BenchStepsTest, ExpectOfEveryConfigurationWhatItsOwnPlanDoes) {
  BenchResults results = asked("1,2", "gpipe,zb-1p,zb-v,interleaved");
  const StepBench steps(results, PlanOptions().device);
  ASSERT_EQ(results.runs.size(), 8U);
  std::vector<double> idle_shares;
  for (const BenchRun& run : results.runs) {
    const int stages = run.schedule == "interleaved" ? 3 : run.schedule == "zb-v" ? 2 : 1;
    const Plan plan = plan_of(results, run.ranks, run.schedule, stages);
    EXPECT_EQ(run.predicted_step_seconds, plan.prediction.step_seconds) << run.schedule;
    EXPECT_EQ(run.predicted_idle_share, plan.prediction.idle_share) << run.schedule;
    EXPECT_EQ(run.stages_per_rank, stages) << run.schedule;
    idle_shares.push_back(run.predicted_idle_share);
  }
  // Or it would not show which plan was asked.
  std::ranges::sort(idle_shares);
  EXPECT_GT(idle_shares.back(), idle_shares.front());
  EXPECT_EQ(steps.most_ranks(), 2);
}

TEST(BenchStepsTest, CountTheWorkOfAllMicroBatches) {
  BenchResults results = asked("1", "gpipe");
  const StepBench steps(results, PlanOptions().device);
  nn::Model model = tiny_gpt2();
  EXPECT_EQ(results.model.parameters, model.parameter_count());
  EXPECT_EQ(results.model.step_tokens, 6 * 2 * 8);
  EXPECT_DOUBLE_EQ(results.model.step_flops, 6 * model_flops(model, 2));
  EXPECT_EQ(results.layers.rows, 2);
}

TEST(BenchStepsTest, AddTheMeasuredStepsOfARoundAlone) {
  BenchResults results = asked("1,2", "gpipe");
  StepBench steps(results, PlanOptions().device);
  for (const int round : {0, 1, 2}) {
    steps.run_round(round);
  }
  for (const BenchRun& run : results.runs) {
    std::vector<int> rounds;
    for (const StepSample& sample : run.samples) {
      rounds.push_back(sample.round);
    }
    EXPECT_THAT(rounds, testing::ElementsAre(0, 0, 1, 1, 2, 2));
  }
}

TEST(BenchStepsTest, SayWhyAConfigurationIsLeftOut) {
  BenchResults results = asked("1,64", "gpipe");
  const StepBench steps(results, PlanOptions().device);
  EXPECT_EQ(results.runs.size(), 1U);
  ASSERT_EQ(results.skipped.size(), 1U);
  EXPECT_EQ(results.skipped[0].ranks, 64);
  EXPECT_EQ(results.skipped[0].schedule, "gpipe");
  EXPECT_THAT(results.skipped[0].why, HasSubstr("64 stages on 64 ranks for a model of 7 layers"));
}

}  // namespace
}  // namespace lockflight::tools
