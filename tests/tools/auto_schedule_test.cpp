#include "tools/auto_schedule.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/schedule/search.h"

namespace lockflight::tools {
namespace {

using schedule::Placement;
using schedule::SearchProblem;

// Every stage of a rank takes the same part of the rank's times.
SearchProblem problem_of(const EvenPipeline& pipeline, const Placement& placement) {
  SearchProblem problem{.placement = placement,
                        .micro_batches = pipeline.micro_batches,
                        .times = {},
                        .forward_transfers = {},
                        .backward_transfers = {},
                        .saved = {},
                        .memory_limits = {}};
  const int stages_per_rank = placement.stages() / pipeline.ranks;
  for (int stage = 0; stage < placement.stages(); ++stage) {
    problem.times.push_back({pipeline.times.forward / stages_per_rank,
                             pipeline.times.input_gradient / stages_per_rank,
                             pipeline.times.weight_gradient / stages_per_rank});
    if (stage > 0) {
      problem.forward_transfers.push_back(pipeline.transfer);
      problem.backward_transfers.push_back(pipeline.transfer);
    }
  }
  return problem;
}

// What is found where the placement is given.
std::map<std::string, double> makespans(const EvenPipeline& pipeline) {
  std::map<std::string, double> found;
  for (const int count : {1, 2}) {
    const Placement loop = Placement::loop({.ranks = pipeline.ranks, .stages_per_rank = count});
    found["loop " + std::to_string(count)] = schedule::search(problem_of(pipeline, loop)).makespan;
  }
  found["v"] = schedule::search(problem_of(pipeline, Placement::v(pipeline.ranks))).makespan;
  return found;
}

TEST(AutoScheduleTest, TakesThePlacementInWhichTheSearchFindsTheFastestOrder) {
  std::set<std::string> fastest;
  for (const double transfer : {0.0, 0.25, 2.0}) {
    const EvenPipeline pipeline{.ranks = 2, .micro_batches = 2, .transfer = transfer};
    const auto expected = makespans(pipeline);
    const auto best = std::ranges::min_element(
        expected, {}, [](const auto& placement) { return placement.second; });
    const schedule::Schedule schedule = auto_schedule(pipeline);
    EXPECT_EQ(schedule::makespan(schedule, problem_of(pipeline, schedule.placement)), best->second)
        << testing::PrintToString(expected);
    fastest.insert(best->first);
  }
  // Or a placement that is never tried would not show.
  EXPECT_THAT(fastest, testing::ElementsAre("loop 1", "loop 2", "v"));
}

TEST(AutoScheduleTest, HasOneStageOnASingleRank) {
  const schedule::Schedule schedule = auto_schedule({.ranks = 1, .micro_batches = 4});
  EXPECT_EQ(schedule.placement, Placement::loop({.ranks = 1}));
}

}  // namespace
}  // namespace lockflight::tools
