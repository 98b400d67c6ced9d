#include "lockflight/partition/problem.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::partition {
namespace {

using testing::HasSubstr;

Problem two_stages() {
  Problem problem;
  problem.layers.assign(4, {.forward = 1, .input_gradient = 2, .weight_gradient = 3});
  problem.ranks.resize(2);
  problem.rank_of_stage = {0, 1};
  problem.in_flight = {2, 1};
  return problem;
}

std::string error_of(const std::function<void(Problem&)>& change) {
  Problem problem = two_stages();
  change(problem);
  try {
    check(problem);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(ProblemTest, AddsUpWhatARankBears) {
  Problem problem = two_stages();
  problem.layers[1].output_bytes = 30;
  problem.layers[2].recomputed = {.seconds = 4, .saved_bytes = 1, .transient_bytes = 50};
  for (Layer& layer : problem.layers) {
    layer.parameter_bytes = 100;
    layer.saved_bytes = 10;
    layer.transient_bytes = 7;
  }
  problem.ranks[1].speed = 2;
  problem.links = {
      {}, {.latency_seconds = 0.5, .bytes_per_second = 10}, {.latency_seconds = 8}, {}};
  const std::vector<Load> loads =
      loads_of(problem, std::vector<int>{2, 2}, {false, false, true, false});
  // Rank 0 receives the gradient, over the link from rank 1 to 0; rank 1 the activation.
  EXPECT_EQ(loads[0].seconds, 2 * 6 + 8);
  EXPECT_EQ(loads[1].seconds, (2 * 6 + 4) / 2.0 + 0.5 + 30 / 10.0);
  EXPECT_EQ(loads[0].bytes, 2 * 100 + 2 * (10 + 10) + 7);
  EXPECT_EQ(loads[1].bytes, 2 * 100 + 1 * (1 + 10) + 50);
}

TEST(ProblemTest, ChargesNoTransferBetweenStagesOnOneRank) {
  Problem problem = two_stages();
  problem.rank_of_stage = {0, 1, 1, 0};  // V
  problem.in_flight = {1, 1, 1, 1};
  problem.links.assign(4, {.latency_seconds = 1});
  const std::vector<Load> loads = loads_of(problem, std::vector<int>{1, 1, 1, 1});
  EXPECT_EQ(loads[0].seconds, 2 * 6 + 2);  // the gradient of stage 0's output, stage 3's input
  EXPECT_EQ(loads[1].seconds, 2 * 6 + 2);
}

TEST(ProblemTest, AcceptsAProblem) {
  EXPECT_EQ(error_of([](Problem&) {}), "no error");
}

TEST(ProblemTest, RefusesListsThatDoNotBelongTogether) {
  EXPECT_THAT(error_of([](Problem& p) { p.layers.clear(); }),
              HasSubstr("0 layers cannot be cut into 2 stages"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers.resize(1); }),
              HasSubstr("1 layers cannot be cut into 2 stages"));
  EXPECT_THAT(error_of([](Problem& p) { p.rank_of_stage.clear(); }),
              HasSubstr("4 layers cannot be cut into 0 stages"));
  EXPECT_THAT(error_of([](Problem& p) { p.in_flight.pop_back(); }),
              HasSubstr("1 numbers of micro-batches in flight for 2 stages"));
  EXPECT_THAT(error_of([](Problem& p) { p.links.resize(3); }),
              HasSubstr("3 links for 4 pairs of ranks"));
  EXPECT_THAT(error_of([](Problem& p) { p.rank_of_stage[1] = 2; }),
              HasSubstr("stage 1 is on rank 2; there are 2 ranks"));
  EXPECT_THAT(error_of([](Problem& p) { p.ranks.clear(); }), HasSubstr("there are 0 ranks"));
}

TEST(ProblemTest, RefusesNumbersThatCannotBe) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(error_of([](Problem& p) { p.layers[2].forward = -1; }),
              HasSubstr("layer 2 has forward seconds -1"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers[2].input_gradient = std::nan(""); }),
              HasSubstr("layer 2 has input-gradient seconds nan"));
  EXPECT_THAT(error_of([=](Problem& p) { p.layers[2].weight_gradient = kInfinity; }),
              HasSubstr("layer 2 has weight-gradient seconds inf"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers[3].saved_bytes = -5; }),
              HasSubstr("layer 3 has saved bytes -5"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers[3].recomputed = Recomputed{.seconds = -5}; }),
              HasSubstr("layer 3 has recomputing seconds -5"));
  EXPECT_THAT(error_of([](Problem& p) { p.ranks[1].speed = 0; }), HasSubstr("rank 1 has speed 0"));
  EXPECT_THAT(error_of([](Problem& p) { p.ranks[1].memory_bytes = -1; }),
              HasSubstr("rank 1 has memory bytes -1"));
  EXPECT_THAT(error_of([](Problem& p) { p.in_flight[0] = -1; }),
              HasSubstr("stage 0 has micro-batches in flight -1"));
  EXPECT_THAT(error_of([](Problem& p) {
                p.links.resize(4);
                p.links[2].bytes_per_second = 0;
              }),
              HasSubstr("link 2 has 0 bytes per second"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers[0].forward = p.layers[1].forward = 1.7e308; }),
              HasSubstr("too large"));
  EXPECT_THAT(error_of([](Problem& p) { p.layers[0].saved_bytes = kUnlimited / 2; }),
              HasSubstr("bytes in all"));
}

TEST(ProblemTest, RefusesConstraintsThatContradictEachOther) {
  EXPECT_THAT(error_of([](Problem& p) { p.together = {3}; }),
              HasSubstr("layers 3 and 4 are to stay together; there are 4 layers"));
  EXPECT_THAT(error_of([](Problem& p) { p.pins = {{.layer = 1, .stage = 2}}; }),
              HasSubstr("layer 1 is to be on stage 2; there are 4 layers and 2 stages"));
  EXPECT_THAT(error_of([](Problem& p) {
                p.together = {0, 1, 2};
              }),
              HasSubstr("stage 1 cannot begin before layer 4"));
  EXPECT_THAT(error_of([](Problem& p) { p.pins = {{.layer = 0, .stage = 1}}; }),
              HasSubstr("stage 1 cannot begin before layer 1 because of those on the layers and "
                        "stages in front, nor after layer 0"));
  EXPECT_THAT(error_of([](Problem& p) {
                p.pins = {{.layer = 2, .stage = 0}, {.layer = 2, .stage = 1}};
              }),
              HasSubstr("stage 1 cannot begin before layer 3"));
}

}  // namespace
}  // namespace lockflight::partition
