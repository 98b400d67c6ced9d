// Plans that recompute ahead of their backwards take no byte more.

#include "plan/recompute_ahead.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/estimate_profile.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/plan/transcribe.h"
#include "plan/job.h"
#include "plan/memory.h"
#include "plan/predict.h"
#include "plan/recompute_places.h"
#include "plan/recomputing.h"
#include "plan/rehearse.h"
#include "plan/small_gpt2.h"

namespace lockflight::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int kRecomputingMicroBatches = 6;

bool ends_with_recomputed(const StagePlan& stage) {
  return !stage.recomputed.empty() && stage.recomputed.back() == stage.last_name;
}

// The plan with an R where `marks` say, whatever that takes, and its memory.
Plan with_marks(nn::Model& model, Plan plan, const std::vector<bool>& marks,
                const PlanOptions& options) {
  LowerOptions lower = options.lower;
  lower.recomputes = marks;
  plan.program = program_of(plan.schedule, plan.program.ties, lower);
  const Recomputing recomputing(model, recomputed_layers(model, plan.stages));
  plan.memory = memory_of(model, plan, options);
  return plan;
}

std::vector<std::vector<BufferLife>> buffers_of(nn::Model& model, const Plan& plan) {
  const Recomputing recomputing(model, recomputed_layers(model, plan.stages));
  return rehearse(model, plan.stages, training_job(model, plan)).buffers;
}

int recomputes_of(const RankProgram& rank, int stage) {
  return static_cast<int>(
      std::ranges::count_if(rank.instructions, [stage](const Instruction& instruction) {
        return instruction.opcode == Opcode::compute && instruction.action.stage == stage &&
               instruction.action.kind == schedule::ActionKind::recompute;
      }));
}

// Against the same plan without any R, and with one wherever there could be one.
void expect_neutral(nn::Model& model, const Plan& plan, const PlanOptions& options) {
  std::vector<bool> marks;
  for (const StagePlan& stage : plan.stages) {
    marks.push_back(!stage.recomputed.empty());
  }
  const std::vector<bool> places = recompute_places(plan.schedule, marks);
  const Plan without = with_marks(model, plan, {}, options);
  const Plan everywhere = with_marks(model, plan, marks, options);
  const Plan again = with_marks(model, plan, recompute_marks(plan.stages), options);
  EXPECT_EQ(to_string(again.program), to_string(plan.program));
  for (std::size_t rank = 0; rank < plan.memory.size(); ++rank) {
    EXPECT_EQ(plan.memory[rank].arena_bytes(), again.memory[rank].arena_bytes());
    EXPECT_EQ(plan.memory[rank].step_peak_bytes, again.memory[rank].step_peak_bytes);
    EXPECT_EQ(plan.memory[rank].peak_action, again.memory[rank].peak_action);
  }
  for (std::size_t rank = 0; rank < plan.memory.size(); ++rank) {
    EXPECT_LE(plan.memory[rank].step_bytes, without.memory[rank].step_bytes) << "rank " << rank;
    EXPECT_LE(plan.memory[rank].step_peak_bytes, without.memory[rank].step_peak_bytes);
  }
  for (std::size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    SCOPED_TRACE("stage " + std::to_string(i));
    const bool place = !places.empty() && places[i];
    const bool grows =
        everywhere.memory[stage.rank].step_bytes > without.memory[stage.rank].step_bytes;
    EXPECT_EQ(stage.recompute_seconds.has_value(),
              place && (!grows || ends_with_recomputed(stage)));
    EXPECT_EQ(recomputes_of(plan.program.ranks[stage.rank], static_cast<int>(i)),
              stage.recompute_seconds ? kRecomputingMicroBatches : 0);
  }
}

TEST(RecomputeAheadTest, TakesNoByteMoreWhereverItStands) {
  int stages = 0;
  for (const std::string schedule :
       {"gpipe", "1f1b", "eager-1f1b", "interleaved", "zb-1p", "zb-v", "v-min"}) {
    for (const int ranks : {1, 2, 3}) {
      nn::Model model = small_gpt2();
      const Plan never = make_plan(model, ranks, options_of(schedule, Recomputation::never));
      const PlanOptions all = options_of(schedule, Recomputation::always);
      const Plan always = make_plan(model, ranks, all);
      SCOPED_TRACE(schedule + " on " + std::to_string(ranks) + " ranks");
      expect_neutral(model, always, all);
      const PlanOptions some = options_of(schedule, Recomputation::when_needed,
                                          (most_bytes(never) + most_bytes(always)) / 2);
      expect_neutral(model, make_plan(model, ranks, some), some);
      stages += static_cast<int>(std::ranges::count_if(always.stages, [](const StagePlan& stage) {
        return stage.recompute_seconds.has_value();
      }));
    }
  }
  EXPECT_GT(stages, 20);
}

// Where the last layer is recomputed, the rank asks for the same tensors in the same order: only
// the numbers of its instructions are others.
TEST(RecomputeAheadTest, BehindNoOtherLayerItChangesNoCallForMemory) {
  for (const std::string schedule : {"gpipe", "1f1b", "zb-1p", "zb-v"}) {
    SCOPED_TRACE(schedule);
    nn::Model model = small_gpt2();
    PlanOptions options = options_of(schedule, Recomputation::always);
    options.split = schedule == "zb-v" ? std::vector<int>{3, 2, 2, 4} : std::vector<int>{5, 6};
    const Plan plan = make_plan(model, 2, options);
    const Plan without = with_marks(model, plan, {}, options);
    EXPECT_TRUE(ends_with_recomputed(plan.stages[0]));
    EXPECT_GT(recomputes_of(plan.program.ranks[0], 0), 0);
    const auto with_r = buffers_of(model, plan);
    const auto without_r = buffers_of(model, without);
    for (std::size_t rank = 0; rank < 2; ++rank) {
      ASSERT_EQ(with_r[rank].size(), without_r[rank].size());
      for (std::size_t i = 0; i < with_r[rank].size(); ++i) {
        const BufferLife& mine = with_r[rank][i];
        const BufferLife& theirs = without_r[rank][i];
        EXPECT_EQ(mine.bytes, theirs.bytes);
        EXPECT_EQ(mine.born, theirs.born);
        EXPECT_EQ(mine.freed, theirs.freed);
      }
      EXPECT_EQ(plan.memory[rank].step_bytes, without.memory[rank].step_bytes);
      EXPECT_EQ(plan.memory[rank].step_peak_bytes, without.memory[rank].step_peak_bytes);
    }
  }
}

// Stage 0 ends with a layer that keeps its tensors; what is recomputed lies in front of it.
Plan plan_with_kept_top(nn::Model& model, const PlanOptions& options,
                        const std::vector<std::string>& recomputed) {
  Plan plan = make_plan(model, 2, options);
  plan.stages[0].recomputed = recomputed;
  return with_marks(model, plan, {}, options);
}

TEST(RecomputeAheadTest, BehindAnotherLayerTheBytesDecide) {
  int taken = 0;
  int left_out = 0;
  for (const std::string schedule : {"gpipe", "1f1b", "zb-1p"}) {
    for (const std::vector<std::string>& recomputed :
         {std::vector<std::string>{"blocks.0.attention"},
          {"blocks.0.mlp"},
          {"blocks.1.attention"}}) {
      SCOPED_TRACE(schedule + ", " + recomputed.back());
      nn::Model model = small_gpt2();
      PlanOptions options = options_of(schedule, Recomputation::never);
      options.split = {5, 6};
      const Plan plan = plan_with_kept_top(model, options, recomputed);
      const Profile costs = estimate_profile(dry_run(model, 4), 4, options.device);
      const Plan ahead = recompute_ahead(model, plan, costs, options);
      expect_neutral(model, ahead, options);
      (ahead.stages[0].recompute_seconds ? taken : left_out) += 1;
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_GT(left_out, 0);
}

TEST(RecomputeAheadTest, TakesItsTimeOutOfTheBackward) {
  nn::Model model = small_gpt2();
  PlanOptions options = options_of("1f1b", Recomputation::always);
  options.split = {5, 6};
  const Plan plan = make_plan(model, 2, options);
  const Profile costs = estimate_profile(dry_run(model, 4), 4, options.device);
  ASSERT_TRUE(plan.stages[0].recompute_seconds);
  EXPECT_EQ(*plan.stages[0].recompute_seconds, costs.layers[4].seconds.forward);
  EXPECT_FALSE(plan.stages[1].recompute_seconds);
  const SimulatedStep step =
      simulate(plan.program, step_costs(plan, options.device), {.spans = true});
  EXPECT_EQ(step.makespan, plan.prediction.step_seconds);
  double recomputing = 0;
  for (const SimulatedSpan& span : step.spans) {
    const StagePlan& stage = plan.stages[span.action.stage];
    if (span.opcode == Opcode::compute && span.action.kind == schedule::ActionKind::recompute) {
      recomputing += span.end - span.begin;
      EXPECT_NEAR(span.end - span.begin, *stage.recompute_seconds, 1e-12);
    } else if (span.opcode == Opcode::compute &&
               span.action.kind == schedule::ActionKind::backward) {
      EXPECT_NEAR(span.end - span.begin,
                  stage.seconds() - stage.forward_seconds - stage.recompute_seconds.value_or(0),
                  1e-12);
    }
  }
  EXPECT_NEAR(recomputing, kRecomputingMicroBatches * *plan.stages[0].recompute_seconds, 1e-12);
}

TEST(RecomputeAheadTest, IsSavedWithThePlan) {
  nn::Model model = small_gpt2();
  const Plan plan = make_plan(model, 3, options_of("1f1b", Recomputation::always));
  const std::string text = plan_to_json(plan);
  const Plan read = plan_from_json(text);
  EXPECT_EQ(to_string(read.program), to_string(plan.program));
  EXPECT_EQ(read.program.recomputes, plan.program.recomputes);
  EXPECT_EQ(plan_to_json(read), text);
  ASSERT_THAT(text, HasSubstr("\"recompute_seconds\""));
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string bad = text;
    bad.replace(bad.find(from), from.size(), to);
    return [bad] { plan_from_json(bad); };
  };
  EXPECT_THAT(refusal("\"recompute_seconds\": ", "\"recompute_seconds\": 7"),
              ThrowsMessage<DataError>(HasSubstr("recompute_seconds is 7")));
  EXPECT_THAT(refusal("\"recomputed\": [\n", "\"recomputed\": [], \"other\": [\n"),
              ThrowsMessage<DataError>(HasSubstr("but the stage recomputes no layer")));
}

}  // namespace
}  // namespace lockflight::plan
