// PlanOptions::schedule "auto".

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "plan/small_gpt2.h"

namespace lockflight {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr int kBlocks = 4;

PlanOptions auto_options(std::size_t limit_bytes = 0,
                         Recomputation recompute = Recomputation::never) {
  return {.micro_batch = {.rows = 4},
          .micro_batches = 6,
          .schedule = "auto",
          .search = {.actions = 1'000'000, .orders = 20'000},
          .memory_limit_bytes = limit_bytes,
          .recompute = recompute};
}

// Of all generators with one and two stages a rank and one copy of the model that fit.
std::vector<Plan> generated(int ranks, PlanOptions options, int blocks = kBlocks) {
  std::vector<Plan> plans;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const int stages_per_rank : {1, 2}) {
      options.schedule = info.name;
      options.stages_per_rank = stages_per_rank;
      try {
        Plan plan = plan_of(ranks, options, blocks);
        if (schedule::has_backward(plan.schedule) && info.copies == 1) {
          plans.push_back(std::move(plan));
        }
      } catch (const Error&) {
        continue;  // it does not have that size, or does not fit
      }
    }
  }
  return plans;
}

TEST(AutoPlanTest, IsNeverSlowerThanAGeneratorThatFits) {
  for (const int ranks : {1, 2, 3}) {
    const std::vector<Plan> all = generated(ranks, auto_options());
    const Plan& least = *std::ranges::min_element(all, {}, most_bytes);
    for (const std::size_t limit : {std::size_t{0}, most_bytes(least) * 21 / 20}) {
      const Plan found = plan_of(ranks, auto_options(limit));
      EXPECT_TRUE(limit == 0 || most_bytes(found) <= limit);
      for (const Plan& plan : generated(ranks, auto_options(limit))) {
        EXPECT_LE(found.prediction.step_seconds, plan.prediction.step_seconds)
            << plan.schedule.name << ", " << ranks << " ranks, limit " << limit;
      }
    }
  }
}

// So what is found comes from the search.
TEST(AutoPlanTest, FindsOrdersThatAreFasterThanThoseOfEveryGenerator) {
  const Plan anyhow = plan_of(3, auto_options());
  for (const std::size_t limit : {std::size_t{0}, most_bytes(anyhow) * 21 / 20}) {
    const Plan found = plan_of(3, auto_options(limit));
    EXPECT_EQ(found.schedule.micro_batches, 6);
    for (const Plan& plan : generated(3, auto_options(limit))) {
      EXPECT_LT(found.prediction.step_seconds, 0.99 * plan.prediction.step_seconds)
          << plan.schedule.name << " in " << limit << " bytes";
    }
  }
}

// Nothing takes less memory.
Plan one_by_one() {
  PlanOptions options = auto_options();
  options.own_schedule = schedule::read_csv(
      "0F0,0B0,0F1,0B1,0F2,0B2,0F3,0B3,0F4,0B4,0F5,0B5\n"
      "1F0,1B0,1F1,1B1,1F2,1B2,1F3,1B3,1F4,1B4,1F5,1B5\n");
  return plan_of(2, options);
}

TEST(AutoPlanTest, NamesTheRankThatNeedsTooMuchWhereNoOrderFits) {
  const std::string least = bytes_text(most_bytes(one_by_one()));
  EXPECT_THAT([] { plan_of(2, auto_options(50'000)); },
              ThrowsMessage<PlanError>(
                  AllOf(HasSubstr("no order fits the memory: at the least rank "),
                        HasSubstr("needs " + least + ", "),
                        HasSubstr("more than the limit of 48.8 KiB"), HasSubstr("recomputation"))));
}

TEST(AutoPlanTest, FitsWhereOnlyOneMicroBatchAtATimeDoes) {
  const std::size_t limit = most_bytes(one_by_one());
  EXPECT_THAT(generated(2, auto_options(limit)), IsEmpty());
  EXPECT_LE(most_bytes(plan_of(2, auto_options(limit))), limit);
}

TEST(AutoPlanTest, RecomputesWhereThatIsAllowedAndNeeded) {
  const std::size_t limit = [] {
    PlanOptions options = auto_options(0, Recomputation::always);
    options.schedule = "1f1b";
    return most_bytes(plan_of(2, options));
  }();
  const Plan found = plan_of(2, auto_options(limit, Recomputation::when_needed));
  EXPECT_LE(most_bytes(found), limit);
  for (const Plan& plan : generated(2, auto_options(limit, Recomputation::when_needed))) {
    EXPECT_LE(found.prediction.step_seconds, plan.prediction.step_seconds) << plan.schedule.name;
  }
}

// A generator's schedule recomputes the layers that it has to; the search knows all or none.  One
// block has too few layers for several stages a rank, with which some generators beat all others.
TEST(AutoPlanTest, IsNeverSlowerThanAGeneratorThatRecomputesSomeLayers) {
  for (const int blocks : {1, kBlocks}) {
    const auto bytes_with = [&](Recomputation recompute) {
      PlanOptions options = auto_options(0, recompute);
      options.schedule = "zb-1p";
      return most_bytes(plan_of(3, options, blocks));
    };
    const std::size_t least = bytes_with(Recomputation::always);
    const std::size_t most = bytes_with(Recomputation::never);
    for (const std::size_t part : {1, 2, 3, 4}) {
      PlanOptions options =
          auto_options(least + (most - least) * part / 4, Recomputation::when_needed);
      options.search = {.actions = 1000, .orders = 10};  // next to nothing
      const Plan found = plan_of(3, options, blocks);
      EXPECT_LE(most_bytes(found), options.memory_limit_bytes);
      for (const Plan& plan : generated(3, options, blocks)) {
        EXPECT_LE(found.prediction.step_seconds, plan.prediction.step_seconds)
            << plan.schedule.name << " in " << options.memory_limit_bytes << " bytes";
      }
    }
  }
}

TEST(AutoPlanTest, KeepsToTheSplitThatIsGiven) {
  PlanOptions options = auto_options();
  options.split = {4, 7};
  const Plan two = plan_of(2, options);
  EXPECT_EQ(two.stages.size(), 2U);
  EXPECT_EQ(two.stages[0].layers, 4);
  options.split = {2, 3, 3, 3};
  EXPECT_EQ(plan_of(2, options).stages.size(), 4U);
  options.split = {2, 3};
  EXPECT_THROW(plan_of(2, options), InvalidArgument);
}

TEST(AutoPlanTest, GivesTheSamePlanForTheSameOptions) {
  EXPECT_EQ(plan_of(3, auto_options()).schedule, plan_of(3, auto_options()).schedule);
}

// The search knows no program; its times are those of the program that lowering makes.
TEST(AutoPlanTest, TheSearchTimesOrdersAsTheSimulationOfTheirProgramsDoes) {
  std::mt19937 random(1);
  const auto below = [&](unsigned count) { return static_cast<double>(random() % count); };
  for (int i = 0; i < 20; ++i) {
    const int ranks = 2 + i % 3;
    const schedule::Placement placement =
        i % 2 == 0 ? schedule::Placement::loop({.ranks = ranks}) : schedule::Placement::v(ranks);
    schedule::SearchProblem problem{.placement = placement,
                                    .micro_batches = 1 + i % 5,
                                    .times = {},
                                    .forward_transfers = {},
                                    .backward_transfers = {},
                                    .receive_ahead = i % 3,
                                    .saved = {},
                                    .memory_limits = {}};
    plan::StepCosts costs{.link = {.bandwidth = 1}};
    for (int stage = 0; stage < placement.stages(); ++stage) {
      costs.stages.push_back({.times = {1 + below(8), 1 + below(8), below(8)},
                              .output_bytes = below(5),
                              .output_gradient_bytes = below(5)});
      problem.times.push_back(costs.stages.back().times);
      if (stage + 1 < placement.stages()) {
        problem.forward_transfers.push_back(costs.stages.back().output_bytes);
        problem.backward_transfers.push_back(costs.stages.back().output_gradient_bytes);
      }
    }
    const schedule::FoundOrder found = schedule::search(problem, {.actions = 200'000});
    const plan::Program program =
        plan::lower(found.schedule, {}, {.receive_ahead = problem.receive_ahead});
    EXPECT_EQ(plan::simulate(program, costs).makespan, found.makespan) << "problem " << i;
  }
}

}  // namespace
}  // namespace lockflight
