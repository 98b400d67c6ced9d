#include "tools/prediction_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockflight::tools {
namespace {

using schedule::ActionKind;
using testing::HasSubstr;

constexpr std::int64_t kMillisecond = 1'000'000;

// One stage: F from 0 to f, B after it for b milliseconds.
Timeline timeline_of(std::int64_t f, std::int64_t b) {
  return {
      .ranks = 1,
      .spans = {{.action = {0, ActionKind::forward, 0}, .begin_ns = 0, .end_ns = f * kMillisecond},
                {.action = {0, ActionKind::backward, 0},
                 .begin_ns = f * kMillisecond,
                 .end_ns = (f + b) * kMillisecond}}};
}

Plan plan_of_one_stage() {
  Plan plan;
  plan.stages = {
      {.forward_seconds = 4e-3, .input_gradient_seconds = 3e-3, .weight_gradient_seconds = 5e-3}};
  plan.prediction = {
      .source = "measured on cpu", .step_seconds = 12e-3, .idle_share = 0, .idle = {}};
  return plan;
}

TEST(PredictionCheckTest, TakesMediansOverStepsAndActions) {
  PredictionCheck check;
  EXPECT_TRUE(check.empty());
  for (const auto& [f, b] : {std::pair{5, 10}, {100, 1}, {4, 12}}) {
    check.add(timeline_of(f, b));
  }
  EXPECT_DOUBLE_EQ(check.action_seconds(0, ActionKind::forward), 5e-3);
  EXPECT_DOUBLE_EQ(check.action_seconds(0, ActionKind::backward), 10e-3);
  EXPECT_DOUBLE_EQ(check.action_seconds(0, ActionKind::weight_gradient), 0);
  EXPECT_DOUBLE_EQ(check.step_seconds(), 16e-3);
}

TEST(PredictionCheckTest, PutsWhatWasExpectedBesideWhatWasMeasured) {
  PredictionCheck check;
  check.add(timeline_of(5, 10));
  const Plan plan = plan_of_one_stage();
  const std::string text = check.as_text(plan);
  EXPECT_THAT(text, HasSubstr("step       expected 12.000 ms, measured 15.000 ms (+25.0 %)"));
  EXPECT_THAT(text, HasSubstr("0F       expected 4.000 ms, measured 5.000 ms (+25.0 %)"));
  EXPECT_THAT(text, HasSubstr("0B       expected 8.000 ms, measured 10.000 ms (+25.0 %)"));
  const auto json = check.as_json(plan);
  EXPECT_EQ(json["actions"].size(), 2U);
  EXPECT_DOUBLE_EQ(json["measured_step_seconds"].get<double>(), 15e-3);
}

TEST(PredictionCheckTest, ExpectsOfARecomputationWhatItTakesOutOfTheBackward) {
  Plan plan = plan_of_one_stage();
  plan.stages[0].recompute_seconds = 1e-3;
  Timeline timeline = timeline_of(4, 7);
  timeline.spans.push_back({.action = {0, ActionKind::recompute, 0},
                            .begin_ns = 4 * kMillisecond,
                            .end_ns = 5 * kMillisecond});
  timeline.spans.push_back({.action = {0, ActionKind::input_gradient, 0},
                            .begin_ns = 5 * kMillisecond,
                            .end_ns = 7 * kMillisecond});
  PredictionCheck check;
  check.add(timeline);
  const std::string text = check.as_text(plan);
  EXPECT_THAT(text, HasSubstr("0R       expected 1.000 ms, measured 1.000 ms (+0.0 %)"));
  EXPECT_THAT(text, HasSubstr("0I       expected 2.000 ms, measured 2.000 ms (+0.0 %)"));
  EXPECT_THAT(text, HasSubstr("0B       expected 7.000 ms, measured 7.000 ms (+0.0 %)"));
}

}  // namespace
}  // namespace lockflight::tools
