// What an R is worth: the time in which the gradient is made and travels.

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "plan/naive_simulation.h"
#include "plan/random_schedules.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::Schedule;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Program program_that_may_recompute(const Schedule& schedule, bool recomputes) {
  return lower(schedule, {},
               {.recomputes = std::vector<bool>(
                    recomputes ? static_cast<std::size_t>(schedule.stages()) : 0, true)});
}

// Of two ranks; of every I, `recompute` runs a forward again.
StepCosts costs_of(double recompute, double transfer) {
  StepCosts costs{.link = {.latency = transfer}};
  costs.stages.assign(
      2, {.times = {.forward = 3, .input_gradient = 4 + recompute, .weight_gradient = 2},
          .recompute = recompute});
  return costs;
}

double makespan(const Schedule& schedule, const StepCosts& costs, bool recomputes) {
  return simulate(program_that_may_recompute(schedule, recomputes), costs).makespan;
}

//   rank 0  F ..... RRR ........ BBBB       without R: F ................ RRRBBBB
//   edge     >>>>>         <<<<<
//   rank 1        F B
//
// From when the activation has arrived until the gradient does, rank 0 has nothing to do but R.
TEST(RecomputeSimulationTest, AStepOfOneMicroBatchIsShorterByWhatIsHidden) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 1});
  for (const double transfer : {0.0, 1.0, 20.0}) {
    for (const double recompute : {1.0, 5.0, 40.0}) {
      const StepCosts costs = costs_of(recompute, transfer);
      const double plain = 3 + transfer + 3 + (6 + recompute) + transfer + (6 + recompute);
      EXPECT_EQ(makespan(schedule, costs, false), plain);
      // Rank 1 recomputes, too, but has no gradient to wait for.
      const double hidden = std::min(recompute, 3 + (6 + recompute) + transfer);
      EXPECT_EQ(makespan(schedule, costs, true), plain - hidden);
    }
  }
}

// The link is so slow that rank 0 waits before each of its backwards.  Each wait hides an R; the
// step ends earlier by the last one.
//
//   rank 0  F F F ........ R ... B R ... B R ... B
TEST(RecomputeSimulationTest, OverASlowLinkEveryRIsHidden) {
  constexpr int kMicroBatches = 5;
  const auto schedule =
      schedule::make_schedule("gpipe", {.ranks = 2, .micro_batches = kMicroBatches});
  const double recompute = 2;
  const double slow = 100;
  const StepCosts costs = costs_of(recompute, slow);
  const SimulatedStep plain =
      simulate(program_that_may_recompute(schedule, false), costs, {.spans = true});
  const SimulatedStep ahead =
      simulate(program_that_may_recompute(schedule, true), costs, {.spans = true});
  EXPECT_EQ(plain.makespan - ahead.makespan, recompute);
  int hidden = 0;
  for (const SimulatedSpan& span : ahead.spans) {
    if (span.opcode == Opcode::compute && span.action.kind == schedule::ActionKind::recompute) {
      const auto arrival = std::ranges::find_if(ahead.spans, [&](const SimulatedSpan& recv) {
        return recv.opcode == Opcode::recv &&
               recv.action == schedule::Action{span.action.stage,
                                               schedule::ActionKind::recv_backward,
                                               span.action.micro_batch};
      });
      ASSERT_NE(arrival, ahead.spans.end());
      EXPECT_LE(span.end, arrival->end);
      EXPECT_EQ(span.end - span.begin, recompute);
      ++hidden;
    }
  }
  EXPECT_EQ(hidden, kMicroBatches);
  // What was waited for before is computed in now.
  EXPECT_EQ(ahead.ranks[0].busy, plain.ranks[0].busy);
  EXPECT_EQ(ahead.ranks[0].idle.total(), ahead.makespan - ahead.ranks[0].busy);
  EXPECT_EQ(plain.ranks[0].idle.total() - ahead.ranks[0].idle.total(), recompute);
}

// The wait behind an R is shorter by it, and has the same reason.
TEST(RecomputeSimulationTest, IdleTimeIsThatOfTheWaitBehindIt) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 1});
  const StepCosts costs = costs_of(2, 10);
  const SimulatedStep ahead = simulate(program_that_may_recompute(schedule, true), costs);
  // F ends at 3, the activation is there at 13 (transfer: rank 1 waits for nothing else), R until
  // 15; rank 1 is done at 24: dependency, and then the gradient travels until 34.
  EXPECT_EQ(ahead.makespan, 34 + 6);
  EXPECT_EQ(ahead.ranks[0].idle.total(), 10 + 9 + 10);
  EXPECT_EQ(ahead.ranks[0].idle.transfer, 10 + 10);
  EXPECT_EQ(ahead.ranks[0].idle.dependency, 9);
}

// Nothing else of the program is later for it: no schedule takes longer, transfers or not.
TEST(RecomputeSimulationTest, NoScheduleIsSlowerForIt) {
  int faster = 0;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const auto& size : schedule::sizes_of(info, 4, std::array{2, 5, 8}, 2)) {
      const Schedule schedule = info.make(size);
      for (const double transfer : {0.0, 2.0}) {
        StepCosts costs{.link = {.latency = transfer}};
        costs.stages.assign(static_cast<std::size_t>(schedule.stages()),
                            {.times = {2, 5, 2}, .recompute = 2});
        const double plain = makespan(schedule, costs, false);
        const double ahead = makespan(schedule, costs, true);
        EXPECT_LE(ahead, plain) << info.name << " p " << size.ranks;
        faster += ahead < plain ? 1 : 0;
      }
    }
  }
  EXPECT_GT(faster, 20);
}

TEST(RecomputeSimulationTest, AgreesWithASimulationTickByTick) {
  for (unsigned seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto placement = random_placement(random);
    const auto schedule =
        random_schedule(placement, 1 + static_cast<int>(seed % 4), seed % 2 == 0, random);
    const Program program = program_that_may_recompute(schedule, true);
    const auto number = [&](int least, int most) {
      return static_cast<double>(std::uniform_int_distribution(least, most)(random));
    };
    StepCosts costs{.link = {.latency = number(0, 6)}, .host = number(0, 1)};
    for (int stage = 0; stage < placement.stages(); ++stage) {
      const double recompute = number(0, 4);
      costs.stages.push_back({.times = {number(0, 5), recompute + number(0, 4), number(0, 5)},
                              .recompute = recompute});
    }
    SimulatedStep step = simulate(program, costs, {.spans = true});
    const SimulatedStep naive = NaiveSimulation(program, costs).run();
    std::ranges::stable_sort(step.spans, {}, [](const SimulatedSpan& span) {
      return std::pair(span.rank, span.stream);
    });
    EXPECT_EQ(step.makespan, naive.makespan);
    ASSERT_EQ(step.spans.size(), naive.spans.size());
    for (std::size_t i = 0; i < step.spans.size(); ++i) {
      EXPECT_EQ(step.spans[i].action, naive.spans[i].action);
      EXPECT_EQ(step.spans[i].begin, naive.spans[i].begin)
          << schedule::to_string(step.spans[i].action);
      EXPECT_EQ(step.spans[i].end, naive.spans[i].end) << schedule::to_string(step.spans[i].action);
    }
    for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
      EXPECT_EQ(step.ranks[rank].busy, naive.ranks[rank].busy);
      EXPECT_NEAR(step.ranks[rank].idle.total(), step.makespan - step.ranks[rank].busy, 1e-9);
    }
  }
}

// A pair's backward takes all of its time.
TEST(RecomputeSimulationTest, ABackwardBesideAForwardKeepsItsTime) {
  const auto schedule = schedule::read_csv(
      "0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n"
      "1F0,1B0,1F1,1B1,1F2,1B2\n");
  const StepCosts costs = costs_of(2, 0);
  const SimulatedStep step =
      simulate(program_that_may_recompute(schedule, true), costs, {.spans = true});
  for (const SimulatedSpan& span : step.spans) {
    const std::string name = schedule::to_string(span.action);
    if (name == "0B0") {
      EXPECT_EQ(span.end - span.begin, 8);
    } else if (name == "0B1" || name == "0B2") {
      EXPECT_EQ(span.end - span.begin, 6);
    }
  }
}

TEST(RecomputeSimulationTest, IsPartOfTheInputsGradient) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 1});
  const Program program = program_that_may_recompute(schedule, true);
  StepCosts costs = costs_of(2, 0);
  costs.stages[1].recompute = 7;
  EXPECT_THAT([&] { simulate(program, costs); },
              ThrowsMessage<InvalidArgument>(HasSubstr("recomputing takes 7, more than the 6")));
  costs.stages[1].recompute = -1;
  EXPECT_THAT([&] { simulate(program, costs); },
              ThrowsMessage<InvalidArgument>(HasSubstr("a recomputation's time is -1")));
}

TEST(RecomputeSimulationTest, StepsInARowHaveItInEach) {
  const auto schedule = schedule::make_schedule("zb-1p", {.ranks = 3, .micro_batches = 4});
  Program program = lower(
      schedule, {}, {.optimizer = OptimizerPlace::in_schedule, .recomputes = {true, true, true}});
  StepCosts costs{.link = {.latency = 3}};
  costs.stages.assign(3, {.times = {2, 4, 2}, .recompute = 2});
  const SimulatedStep steps = simulate(unroll(program, 3), costs, {.spans = true});
  EXPECT_EQ(std::ranges::count_if(steps.spans,
                                  [](const SimulatedSpan& span) {
                                    return span.opcode == Opcode::compute &&
                                           span.action.kind == schedule::ActionKind::recompute;
                                  }),
            3 * 2 * 4);
}

}  // namespace
}  // namespace lockflight::plan
