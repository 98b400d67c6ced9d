#include "lockflight/schedule/search.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "sanitized.h"
#include "schedule/exact_search.h"

namespace lockflight::schedule {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr int kProblems = test::kSanitized ? 12 : 120;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Less than what is usual: a search that is good enough with it is so with more.
constexpr SearchEffort kEffort{.actions = 6'000'000, .orders = 60'000};

class RandomProblems {
 public:
  explicit RandomProblems(unsigned seed) : random_(seed) {}

  // p ≤ 4 and m ≤ 6; two stages a rank in a third of them.
  SearchProblem next() {
    const int ranks = between(1, 4);
    const std::array placements = {Placement::loop({.ranks = ranks}),
                                   Placement::loop({.ranks = ranks}),
                                   Placement::loop({.ranks = ranks}),
                                   Placement::loop({.ranks = ranks}),
                                   Placement::loop({.ranks = ranks, .stages_per_rank = 2}),
                                   Placement::v(ranks)};
    SearchProblem problem{.placement = placements[below(placements.size())],
                          .micro_batches = between(1, 6),
                          .times = {},
                          .forward_transfers = {},
                          .backward_transfers = {},
                          .saved = {},
                          .memory_limits = {}};
    add_times(problem);
    add_transfers(problem);
    if (between(0, 1) == 0) {
      add_memory(problem);
    }
    return problem;
  }

 private:
  int between(int least, int most) {
    return least + static_cast<int>(random_() % static_cast<unsigned>(most - least + 1));
  }
  std::size_t below(std::size_t count) { return random_() % count; }
  StageTimes times(int least_weight) {
    return {static_cast<double>(between(1, 8)), static_cast<double>(between(1, 8)),
            static_cast<double>(between(least_weight, 8))};
  }

  // All alike; equal stages; no W; anything.
  void add_times(SearchProblem& problem) {
    const int family = between(0, 3);
    const StageTimes same = times(0);
    for (int stage = 0; stage < problem.placement.stages(); ++stage) {
      StageTimes each = family == 0 ? StageTimes{1, 1, 1} : family == 1 ? same : times(1);
      if (family == 2) {
        each.weight_gradient = 0;
      }
      problem.times.push_back(each);
    }
  }

  // None; fast; some slower than stages.
  void add_transfers(SearchProblem& problem) {
    const int family = between(0, 2);
    for (int stage = 0; family > 0 && stage + 1 < problem.placement.stages(); ++stage) {
      problem.forward_transfers.push_back(family == 1 ? 0.25 : between(0, 6));
      problem.backward_transfers.push_back(family == 1 ? 0.25 : between(0, 6));
    }
  }

  // From what one micro-batch takes to what p of them take.
  void add_memory(SearchProblem& problem) {
    for (int stage = 0; stage < problem.placement.stages(); ++stage) {
      problem.saved.push_back(
          {.after_forward = between(1, 4), .after_input_gradient = between(0, 4)});
    }
    for (int rank = 0; rank < problem.placement.ranks(); ++rank) {
      std::int64_t least = 0;
      std::int64_t more = 0;
      for (const int stage : problem.placement.stages_of(rank)) {
        const auto [kept, later] = problem.saved[stage];
        least += kept;
        more = std::max(more, later - kept);
      }
      const auto most = static_cast<int>(least + more) * problem.placement.ranks();
      problem.memory_limits.push_back(least + more + between(0, most));
    }
  }

  std::mt19937 random_;
};

SearchProblem equal_stages(const Placement& placement, int micro_batches,
                           const StageTimes& times = {}) {
  return {.placement = placement,
          .micro_batches = micro_batches,
          .times = std::vector<StageTimes>(static_cast<std::size_t>(placement.stages()), times),
          .forward_transfers = {},
          .backward_transfers = {},
          .saved = {},
          .memory_limits = {}};
}

std::int64_t most_kept(const Schedule& schedule, int rank, const std::vector<SavedBytes>& saved) {
  std::int64_t now = 0;
  std::int64_t most = 0;
  for (const Action& action : schedule.actions(rank)) {
    const SavedBytes& its = saved[static_cast<std::size_t>(action.stage)];
    switch (action.kind) {
      case ActionKind::forward:
        now += its.after_forward;
        break;
      case ActionKind::input_gradient:
        now += its.after_input_gradient - its.after_forward;
        break;
      case ActionKind::weight_gradient:
        now -= its.after_input_gradient;
        break;
      default:
        now -= its.after_forward;
    }
    most = std::max(most, now);
  }
  return most;
}

TEST(SearchTest, IsWithinOnePercentOfTheOptimumWhereBranchAndBoundFinishes) {
  constexpr std::int64_t kMostStates = 30'000;
  RandomProblems problems(7);
  int finished = 0;
  for (int i = 0; i < kProblems; ++i) {
    const SearchProblem problem = problems.next();
    const FoundOrder found = search(problem, kEffort);
    const double less = found.makespan / 1.01;
    const ExactSearch exact(problem, less, kMostStates);
    EXPECT_GE(exact.best(), less) << "problem " << i << ": an order takes " << exact.best()
                                  << ", the search's " << found.makespan << ", "
                                  << problem.placement.ranks() << " ranks, "
                                  << problem.micro_batches << " micro-batches";
    finished += exact.finished() ? 1 : 0;
  }
  EXPECT_GE(finished, kProblems * 7 / 10);
}

TEST(SearchTest, FindsTheOptimumOfSmallProblemsAndNeverPromisesLess) {
  constexpr std::int64_t kMostStates = 20'000;
  RandomProblems problems(3);
  for (int i = 0; i < kProblems / 2; ++i) {
    SearchProblem problem = problems.next();
    problem.micro_batches = std::min(problem.micro_batches, 2);
    const FoundOrder found = search(problem, kEffort);
    const ExactSearch exact(problem, kInfinity, kMostStates);
    EXPECT_LE(found.lower_bound, found.makespan * (1 + 1e-12)) << "problem " << i;
    if (exact.finished()) {
      EXPECT_NEAR(found.makespan, exact.best(), 1e-9 * exact.best()) << "problem " << i;
      EXPECT_LE(found.lower_bound, exact.best() * (1 + 1e-12)) << "problem " << i;
    }
  }
}

TEST(SearchTest, GivesOrdersThatAreValidTimedRightAndWithinMemory) {
  RandomProblems problems(11);
  for (int i = 0; i < kProblems / 2; ++i) {
    const SearchProblem problem = problems.next();
    const FoundOrder found = search(problem, {.actions = 100'000, .orders = 1'000});
    EXPECT_THAT(validate(found.schedule), IsEmpty()) << "problem " << i;
    EXPECT_EQ(makespan(found.schedule, problem), found.makespan) << "problem " << i;
    if (problem.forward_transfers.empty()) {
      EXPECT_DOUBLE_EQ(make_timetable(found.schedule, problem.times).makespan(), found.makespan)
          << "problem " << i;
    }
    for (int rank = 0; rank < found.schedule.ranks() && !problem.saved.empty(); ++rank) {
      EXPECT_LE(most_kept(found.schedule, rank, problem.saved),
                problem.memory_limits[static_cast<std::size_t>(rank)])
          << "problem " << i << ", rank " << rank;
    }
  }
}

TEST(SearchTest, IsNeverSlowerThanAGenerator) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    for (const int micro_batches : {1, 2, 5, 8, 16, 24}) {
      for (const ScheduleInfo& info : schedules()) {
        for (const int stages_per_rank : {1, 2}) {
          Schedule schedule;
          try {
            schedule = info.make({.ranks = ranks,
                                  .micro_batches = micro_batches,
                                  .stages_per_rank = stages_per_rank});
          } catch (const InvalidArgument&) {
            continue;
          }
          const SearchProblem problem =
              equal_stages(schedule.placement, micro_batches, {1, 1.5, 0.5});
          double generated = 0;
          try {
            generated = makespan(schedule, problem);
          } catch (const InvalidArgument&) {
            continue;  // it overlaps actions
          }
          if (has_backward(schedule)) {
            EXPECT_LE(search(problem, {.actions = 1, .orders = 1}).makespan, generated)
                << info.name << ", " << ranks << " ranks, " << micro_batches << " micro-batches";
          }
        }
      }
    }
  }
}

// Nobody can begin before the forwards of the ranks in front of it, and nothing else need be idle:
// the zero-bubble papers' bound up to a common end.
TEST(SearchTest, LeavesOnlyTheFirstForwardsIdleWhereTimesAreEqual) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    const int micro_batches = 2 * ranks;
    const FoundOrder found =
        search(equal_stages(Placement::loop({.ranks = ranks}), micro_batches), kEffort);
    EXPECT_EQ(found.makespan, 3 * micro_batches + ranks - 1);
    EXPECT_EQ(found.lower_bound, found.makespan);
  }
}

TEST(SearchTest, SplitsNoBackwardWhereThatGainsNothing) {
  const FoundOrder found = search(equal_stages(Placement::loop({.ranks = 1}), 3), kEffort);
  for (const Action& action : found.schedule.actions(0)) {
    EXPECT_TRUE(action.kind == ActionKind::forward || action.kind == ActionKind::backward)
        << to_string(action);
  }
}

TEST(SearchTest, GivesTheSameOrderForTheSameProblem) {
  RandomProblems problems(5);
  for (int i = 0; i < 5; ++i) {
    const SearchProblem problem = problems.next();
    EXPECT_EQ(search(problem, kEffort).schedule, search(problem, kEffort).schedule);
  }
}

TEST(SearchTest, GivesSchedulesThatFilesKeep) {
  const Schedule schedule =
      search(equal_stages(Placement::v(3), 5, {1, 2, 1}), {.actions = 1'000}).schedule;
  const std::string text = write_csv(schedule);
  EXPECT_EQ(read_csv(text, "auto"), schedule);
  EXPECT_EQ(write_csv(read_csv(text)), text);
}

TEST(SearchTest, NamesTheRankAndTheLeastWhereNoOrderFits) {
  SearchProblem problem = equal_stages(Placement::loop({.ranks = 3, .stages_per_rank = 2}), 4);
  problem.saved.assign(6, {.after_forward = 10, .after_input_gradient = 12});
  problem.memory_limits = {22, 21, 22};
  EXPECT_THAT([&] { search(problem); },
              ThrowsMessage<PlanError>(HasSubstr("rank 1 saves 22 bytes for one micro-batch")));
  problem.memory_limits[1] = 22;
  EXPECT_EQ(search(problem, {.actions = 10'000}).schedule.micro_batches, 4);
}

TEST(SearchTest, RefusesProblemsThatMakeNoSense) {
  const SearchProblem good = equal_stages(Placement::loop({.ranks = 2}), 3);
  SearchProblem problem = good;
  problem.times.pop_back();
  EXPECT_THAT([&] { search(problem); },
              ThrowsMessage<InvalidArgument>(HasSubstr("1 times of stages, expected 2")));
  problem = good;
  problem.times[1].weight_gradient = -1;
  EXPECT_THAT([&] { search(problem); },
              ThrowsMessage<InvalidArgument>(HasSubstr("time of a weight gradient is -1")));
  problem = good;
  problem.forward_transfers = {kInfinity};
  EXPECT_THAT([&] { search(problem); },
              ThrowsMessage<InvalidArgument>(HasSubstr("time of a transfer is inf")));
  problem = good;
  problem.micro_batches = 0;
  EXPECT_THROW(search(problem), InvalidArgument);
}

TEST(SearchTest, SaysWhyAScheduleHasNoMakespan) {
  SearchProblem problem = equal_stages(Placement::loop({.ranks = 2}), 2);
  Schedule schedule = make_schedule("1f1b", {.ranks = 2, .micro_batches = 2});
  EXPECT_EQ(makespan(schedule, problem), 9);
  std::swap(schedule.rows[0][1], schedule.rows[0][2]);  // 0B0 before 0F1
  std::swap(schedule.rows[1][1], schedule.rows[1][2]);  // 1F1 before 1B0
  EXPECT_THAT([&] { makespan(schedule, problem); },
              ThrowsMessage<PlanError>(HasSubstr("wait for each other in a circle")));
  problem.micro_batches = 3;
  EXPECT_THROW(makespan(schedule, problem), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::schedule
