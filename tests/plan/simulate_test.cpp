#include "lockflight/plan/simulate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "plan/naive_simulation.h"
#include "plan/random_schedules.h"
#include "plan/simulated_schedules.h"
#include "sanitized.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using schedule::StageTimes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr unsigned kRandomPrograms = test::kSanitized ? 60 : 1500;

// One rank never waits.  Its times are added up one by one and also multiplied, and tenths are not
// exact: the quotient of the two is above 1 for some numbers of micro-batches.
TEST(SimulateTest, RoundingMakesNoIdleTimeNegative) {
  for (int m = 1; m <= 40; ++m) {
    const auto step = simulate_schedule(
        make_schedule("gpipe", {.ranks = 1, .micro_batches = m}),
        even_costs(1, {.forward = 0.1, .input_gradient = 0.1, .weight_gradient = 0.1}));
    for (const double idle : {step.idle_span(), step.idle_barrier()}) {
      EXPECT_FALSE(std::signbit(idle)) << m;
      EXPECT_LT(idle, 1e-12) << m;
    }
  }
}

TEST(SimulateTest, AgreesWithTheTimetableWhereTransfersAreFree) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::uniform_int_distribution time(0, 9);
    const auto schedule = random_schedule(random_placement(random), 1 + static_cast<int>(seed % 5),
                                          seed % 2 == 0, random);
    StepCosts costs;
    std::vector<StageTimes> times;
    for (int stage = 0; stage < schedule.stages(); ++stage) {
      times.push_back({.forward = static_cast<double>(time(random)),
                       .input_gradient = static_cast<double>(time(random)),
                       .weight_gradient = static_cast<double>(time(random))});
      costs.stages.push_back({.times = times.back()});
    }
    const auto timetable = schedule::make_timetable(schedule, times);
    for (const int ahead : {0, 1, 3}) {
      const auto step =
          simulate(lower(schedule, {}, {.receive_ahead = ahead}), costs, {.spans = true});
      EXPECT_EQ(step.makespan, timetable.makespan());
      std::vector<std::size_t> next(schedule.ranks(), 0);
      for (const SimulatedSpan& span : step.spans) {
        if (span.opcode == Opcode::compute) {
          const auto& cell = timetable.rows[span.rank][next[span.rank]++];
          EXPECT_EQ(span.action, cell.cell.front());
          EXPECT_EQ(span.begin, cell.begin);
          EXPECT_EQ(span.end, cell.end);
        }
      }
    }
  }
}

StepCosts random_costs(int ranks, int stages, std::mt19937& random) {
  const auto number = [&](int least, int most) {
    return static_cast<double>(std::uniform_int_distribution(least, most)(random));
  };
  StepCosts costs;
  costs.sharing = static_cast<LinkSharing>(number(0, 2));
  // Among transfers that take no time and become ready at once, any may be the first.
  costs.link.latency = number(costs.sharing == LinkSharing::none ? 0 : 1, 4);
  costs.host = number(0, 2);
  costs.tied_bytes = 2 * number(0, 2);
  for (int stage = 0; stage < stages; ++stage) {
    costs.stages.push_back({.times = {number(0, 5), number(0, 5), number(0, 5)},
                            .output_bytes = 2 * number(0, 2),
                            .output_gradient_bytes = 2 * number(0, 2)});
  }
  for (int rank = 0; rank < ranks; ++rank) {
    costs.update.push_back(number(0, 6));
    costs.links[{rank, (rank + 1) % ranks}] = {.latency = number(1, 5), .bandwidth = 2};
  }
  return costs;
}

void expect_same(const SimulatedStep& step, const SimulatedStep& naive) {
  EXPECT_EQ(step.makespan, naive.makespan);
  std::vector<SimulatedSpan> spans = step.spans;
  std::ranges::stable_sort(
      spans, {}, [](const SimulatedSpan& span) { return std::pair(span.rank, span.stream); });
  ASSERT_EQ(spans.size(), naive.spans.size());
  for (std::size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i].action, naive.spans[i].action);
    EXPECT_EQ(spans[i].begin, naive.spans[i].begin) << schedule::to_string(spans[i].action);
    EXPECT_EQ(spans[i].end, naive.spans[i].end) << schedule::to_string(spans[i].action);
  }
  const double most = std::ranges::max(naive.ranks, {}, &SimulatedRank::busy).busy;
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    IdleTime idle = naive.ranks[rank].idle;
    idle.imbalance = most - naive.ranks[rank].busy;
    double left = idle.imbalance;
    for (double* part : {&idle.dependency, &idle.tail, &idle.transfer, &idle.host}) {
      const double taken = std::min(*part, left);
      *part -= taken;
      left -= taken;
    }
    const SimulatedRank& mine = step.ranks[rank];
    EXPECT_EQ(mine.busy, naive.ranks[rank].busy) << "rank " << rank;
    EXPECT_EQ(mine.idle.dependency, idle.dependency) << "rank " << rank;
    EXPECT_EQ(mine.idle.transfer, idle.transfer) << "rank " << rank;
    EXPECT_EQ(mine.idle.imbalance, idle.imbalance) << "rank " << rank;
    EXPECT_EQ(mine.idle.host, idle.host) << "rank " << rank;
    EXPECT_EQ(mine.idle.tail, idle.tail) << "rank " << rank;
    EXPECT_EQ(mine.idle.total(), step.makespan - mine.busy) << "rank " << rank;
  }
}

TEST(SimulateTest, AgreesWithASimulationTickByTickForRandomPrograms) {
  for (unsigned seed = 0; seed < kRandomPrograms && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto placement = random_placement(random);
    const auto schedule =
        random_schedule(placement, 1 + static_cast<int>(seed % 4), seed % 2 == 0, random);
    std::vector<TiedStages> ties;
    if (seed % 3 == 0) {
      ties.push_back({.first = 0, .second = placement.stages() - 1});
    }
    const Program program =
        lower(schedule, ties, {.receive_ahead = static_cast<int>(seed / 4 % 4)});
    const StepCosts costs = random_costs(placement.ranks(), placement.stages(), random);
    expect_same(simulate(program, costs, {.spans = true}), NaiveSimulation(program, costs).run());
  }
}

//   rank 0  F0 ................. B0 B0
//   edge       >>>          <<<
//   rank 1  ....... F0 B0 B0 .........
TEST(SimulateTest, SaysWhyARankIsIdle) {
  StepCosts costs = even_costs(2, {1, 1, 1});
  costs.link.latency = 3;
  const auto step =
      simulate_schedule(make_schedule("1f1b", {.ranks = 2, .micro_batches = 1}), costs);
  EXPECT_EQ(step.makespan, 12);
  EXPECT_EQ(step.ranks[0].idle.dependency, 6);  // for F0's transfer and what rank 1 does
  EXPECT_EQ(step.ranks[0].idle.transfer, 3);
  EXPECT_EQ(step.ranks[0].idle.tail, 0);
  EXPECT_EQ(step.ranks[1].idle.dependency, 1);
  EXPECT_EQ(step.ranks[1].idle.transfer, 3);
  EXPECT_EQ(step.ranks[1].idle.tail, 5);
}

TEST(SimulateTest, CallsTheWorkThatAnotherRankHasMoreImbalance) {
  StepCosts costs = even_costs(2, {1, 1, 1});
  costs.stages[1].times = {2, 2, 2};
  const auto step =
      simulate_schedule(make_schedule("1f1b", {.ranks = 2, .micro_batches = 4}), costs);
  EXPECT_EQ(step.makespan, 1 + 4 * 6 + 2);
  EXPECT_EQ(step.ranks[0].idle.imbalance, 12);
  EXPECT_EQ(step.ranks[0].idle.dependency, 3);
  EXPECT_EQ(step.ranks[1].idle.imbalance, 0);
  EXPECT_EQ(step.ranks[1].idle.dependency, 1);
  EXPECT_EQ(step.ranks[1].idle.tail, 2);
}

TEST(SimulateTest, CallsNoRoundingImbalance) {
  StepCosts costs = even_costs(4, {0.1, 0.3, 0.7});
  costs.link.latency = 0.01;
  const auto step =
      simulate_schedule(make_schedule("1f1b", {.ranks = 4, .micro_batches = 9}), costs);
  for (const SimulatedRank& rank : step.ranks) {
    EXPECT_EQ(rank.idle.imbalance, 0);
    EXPECT_NEAR(rank.idle.total(), step.makespan - rank.busy, 1e-12);
  }
}

// Two F and two B, which are enqueued from 10 to 40, then the norm and the update.
TEST(SimulateTest, StartsNothingBeforeTheHostHasEnqueuedIt) {
  StepCosts costs = even_costs(1, {1, 1, 1});
  costs.host = 10;
  const auto step =
      simulate_schedule(make_schedule("gpipe", {.ranks = 1, .micro_batches = 2}), costs);
  EXPECT_EQ(step.ranks[0].idle.host, 10 + 9 + 9 + 8);
  EXPECT_EQ(step.ranks[0].end, 42);
  EXPECT_EQ(step.makespan, 60);  // the norm and the update
  EXPECT_EQ(step.ranks[0].idle.tail, 18);
}

// Stages 0 and 2 lie on rank 0, and its outputs of stage 0 need until 16 to get to rank 1, which is
// when what stage 2 makes at 13 may go at last if it has to use the same way.
TEST(SimulateTest, LetsTransfersOfASharedWayPassOneByOne) {
  const auto begin_of_3F0 = [](const char* csv, LinkSharing sharing) {
    StepCosts costs = even_costs(4, {1, 1, 1});
    costs.link.latency = 5;
    costs.sharing = sharing;
    const auto step = simulate(lower(schedule::read_csv(csv), {}), costs, {.spans = true});
    const auto is_3F0 = [](const SimulatedSpan& span) {
      return span.opcode == Opcode::compute && schedule::to_string(span.action) == "3F0";
    };
    return std::ranges::find_if(step.spans, is_3F0)->begin;
  };
  const char* to_same_rank = "0F0,0F1,0F2,2F0,2F1,2F2\n1F0,1F1,1F2,3F0,3F1,3F2\n";
  EXPECT_EQ(begin_of_3F0(to_same_rank, LinkSharing::none), 18);
  EXPECT_EQ(begin_of_3F0(to_same_rank, LinkSharing::pair), 21);
  EXPECT_EQ(begin_of_3F0(to_same_rank, LinkSharing::rank), 21);
  const char* to_another_rank = "0F0,0F1,0F2,2F0,2F1,2F2\n1F0,1F1,1F2\n3F0,3F1,3F2\n";
  EXPECT_EQ(begin_of_3F0(to_another_rank, LinkSharing::none), 18);
  EXPECT_EQ(begin_of_3F0(to_another_rank, LinkSharing::pair), 18);
  EXPECT_EQ(begin_of_3F0(to_another_rank, LinkSharing::rank), 21);
}

TEST(SimulateTest, FollowsTheSavedBytesOverTime) {
  const auto schedule = schedule::read_csv("0F0,0F1,0I0,0W0,0B1\n");
  const StepCosts costs{
      .stages = {{.times = {1, 2, 4}, .saved_bytes = 100, .saved_bytes_after_i = 30}}};
  const auto step = simulate(lower(schedule, {}), costs, {.memory = true});
  std::vector<std::string> points;
  for (const MemoryPoint& point : step.ranks[0].memory) {
    points.push_back(std::to_string(static_cast<int>(point.time)) + ": " +
                     std::to_string(static_cast<int>(point.activations)) + ", " +
                     std::to_string(point.bytes));
  }
  EXPECT_THAT(points, ElementsAre("0: 1, 100", "1: 2, 200", "4: 2, 130", "8: 1, 100", "14: 0, 0"));
  EXPECT_EQ(step.ranks[0].peak_bytes, 200);
  EXPECT_EQ(step.ranks[0].peak_activations, 2);
}

TEST(SimulateTest, KeepsSpansAndMemoryOnlyIfAsked) {
  const auto step = simulate_schedule(make_schedule("1f1b", {.ranks = 2, .micro_batches = 2}),
                                      even_costs(2, {1, 1, 1}));
  EXPECT_THAT(step.spans, IsEmpty());
  EXPECT_THAT(step.ranks[0].memory, IsEmpty());
}

TEST(SimulateTest, RefusesCostsThatCannotBe) {
  const Program program = lower(make_schedule("1f1b", {.ranks = 2, .micro_batches = 2}), {});
  const auto refusal = [&](const std::function<void(StepCosts&)>& spoil) {
    return [&program, spoil] {
      StepCosts costs = even_costs(2, {1, 1, 1});
      spoil(costs);
      simulate(program, costs);
    };
  };
  EXPECT_THAT(refusal([](StepCosts& costs) { costs.stages.pop_back(); }),
              ThrowsMessage<InvalidArgument>(HasSubstr("costs of 1 stages")));
  EXPECT_THAT(refusal([](StepCosts& costs) { costs.stages[1].times.forward = -1; }),
              ThrowsMessage<InvalidArgument>(HasSubstr("a forward's time is -1")));
  EXPECT_THAT(
      refusal([](StepCosts& costs) { costs.host = std::numeric_limits<double>::quiet_NaN(); }),
      ThrowsMessage<InvalidArgument>(HasSubstr("host's time is nan")));
  EXPECT_THAT(refusal([](StepCosts& costs) { costs.link.bandwidth = 0; }),
              ThrowsMessage<InvalidArgument>(HasSubstr("bandwidth is 0")));
  EXPECT_THAT(refusal([](StepCosts& costs) { costs.update = {1}; }),
              ThrowsMessage<InvalidArgument>(HasSubstr("updates of 1 ranks")));
}

TEST(SimulateTest, NamesWhereAProgramStopsForGood) {
  Program program = lower(make_schedule("1f1b", {.ranks = 2, .micro_batches = 1}), {});
  std::erase_if(program.ranks[1].instructions,
                [](const Instruction& i) { return i.opcode == Opcode::send; });
  EXPECT_THAT(
      [&] {
        simulate(program, even_costs(2, {1, 1, 1}));
      },
      ThrowsMessage<PlanError>(AllOf(HasSubstr("rank 0, stream 0 stands at wait event"),
                                     HasSubstr("rank 1, stream 0 stands at gradient_norm"))));
}

}  // namespace
}  // namespace lockflight::plan
