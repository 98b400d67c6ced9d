#include "plan/memory_curve.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/device/planned_memory.h"
#include "lockflight/nn/gpt2.h"
#include "plan/job.h"
#include "plan/predict.h"
#include "plan/recomputing.h"
#include "plan/rehearse.h"
#include "plan/small_gpt2.h"

namespace lockflight::plan {
namespace {

struct Planned {
  nn::Model model;
  Plan plan;
  SimulatedStep step;
};

Planned planned(const std::string& schedule, int stages_per_rank, Recomputation recompute) {
  const PlanOptions options{.micro_batch = {.rows = 2},
                            .micro_batches = 5,
                            .schedule = schedule,
                            .stages_per_rank = stages_per_rank,
                            .recompute = recompute};
  Planned planned{.model = narrow_gpt2(3), .plan = {}, .step = {}};
  planned.plan = make_plan(planned.model, 3, options);
  planned.step =
      simulate(planned.plan.program, step_costs(planned.plan, options.device), {.spans = true});
  set_memory(planned.step, planned.model, planned.plan);
  return planned;
}

std::size_t lasting(const RankMemory& memory) {
  return memory.parameter_bytes + memory.gradient_bytes + memory.optimizer_bytes;
}

TEST(MemoryCurveTest, PeaksWhereAndAsHighAsThePlanSays) {
  for (const Recomputation recompute : {Recomputation::never, Recomputation::always}) {
    for (const std::string schedule : {"1f1b", "gpipe", "interleaved"}) {
      SCOPED_TRACE(schedule);
      const Planned p = planned(schedule, schedule == "interleaved" ? 2 : 1, recompute);
      for (int i = 0; i < p.plan.ranks(); ++i) {
        const RankMemory& memory = p.plan.memory[i];
        const SimulatedRank& rank = p.step.ranks[i];
        EXPECT_EQ(rank.peak_bytes,
                  static_cast<std::int64_t>(lasting(memory) + memory.step_peak_bytes));
        const auto peak = std::ranges::max_element(rank.memory, {}, &MemoryPoint::bytes);
        const auto span = std::ranges::find_if(p.step.spans, [&](const SimulatedSpan& candidate) {
          return candidate.rank == i && candidate.opcode == Opcode::compute &&
                 candidate.begin == peak->time;
        });
        ASSERT_NE(span, p.step.spans.end());
        EXPECT_EQ(schedule::to_string(span->action), memory.peak_action);
      }
    }
  }
}

// What is alive at any call between the first of one compute and the first of the next.
TEST(MemoryCurveTest, AgreesWithEveryCallCountedApart) {
  Planned p = planned("1f1b", 1, Recomputation::never);
  const auto buffers = rehearse(p.model, p.plan.stages, training_job(p.model, p.plan)).buffers;
  for (int i = 0; i < p.plan.ranks(); ++i) {
    const auto& instructions = p.plan.program.ranks[i].instructions;
    std::map<std::size_t, std::int64_t> levels;  // by computes so far
    std::size_t computes = 0;
    for (const BufferLife& born : buffers[i]) {
      if (born.action >= 0) {
        computes = std::count_if(
            instructions.begin(), instructions.begin() + born.action + 1,
            [](const Instruction& instruction) { return instruction.opcode == Opcode::compute; });
      }
      std::int64_t alive = 0;
      for (const BufferLife& other : buffers[i]) {
        if (other.born <= born.born && (other.freed < 0 || other.freed > born.born)) {
          alive += static_cast<std::int64_t>(aligned_bytes(other.bytes));
        }
      }
      levels[computes] = std::max(levels[computes], alive);
    }
    const std::vector<MemoryPoint>& curve = p.step.ranks[i].memory;
    const auto base = static_cast<std::int64_t>(lasting(p.plan.memory[i]));
    ASSERT_EQ(curve.size(), 2 + 2 * 5U);  // the start, five F and B, the end
    for (const auto& [number, level] : levels) {
      EXPECT_EQ(curve[number].bytes, base + level) << "rank " << i << ", compute " << number;
    }
    EXPECT_TRUE(std::ranges::is_sorted(curve, {}, &MemoryPoint::time));
    EXPECT_EQ(curve.back().time, p.step.ranks[i].end);
    EXPECT_LT(curve.back().bytes, base + 4096);
  }
}

}  // namespace
}  // namespace lockflight::plan
