#include "lockflight/partition/balance.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "partition/brute_force.h"

namespace lockflight::partition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The costs of a cut's stages, the largest first.
std::vector<double> value_of(const std::vector<double>& costs, const std::vector<int>& cut) {
  std::vector<double> of_stages;
  auto layer = costs.begin();
  for (const int layers : cut) {
    of_stages.push_back(std::accumulate(layer, layer + layers, 0.0));
    layer += layers;
  }
  std::ranges::sort(of_stages, std::greater<>());
  return of_stages;
}

std::string error_of(const std::vector<double>& costs, int stages) {
  try {
    balance(costs, stages);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(BalanceTest, CutsEqualLayersEvenly) {
  EXPECT_THAT(balance(std::vector<double>(6, 1.0), 3), ElementsAre(2, 2, 2));
  EXPECT_THAT(balance(std::vector<double>(7, 1.0), 3), ElementsAre(3, 2, 2));
  EXPECT_THAT(balance(std::vector<double>(5, 0.0), 5), ElementsAre(1, 1, 1, 1, 1));
  EXPECT_THAT(balance(std::vector<double>{4.0}, 1), ElementsAre(1));
}

TEST(BalanceTest, LeavesAHeavyLayerAloneAndEvensOutTheOthers) {
  EXPECT_THAT(balance(std::vector<double>{1, 1, 1, 1, 1, 1, 9}, 4), ElementsAre(2, 2, 2, 1));
  EXPECT_THAT(balance(std::vector<double>{9, 1, 1, 1, 1, 1, 1}, 4), ElementsAre(1, 2, 2, 2));
}

TEST(BalanceTest, FindsTheSameCutAsTryingAllOfThem) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Random random({.seed = seed});
    const int layers = 1 + static_cast<int>(random.next_below(10));
    const int stages = 1 + static_cast<int>(random.next_below(layers));
    std::vector<double> costs(layers);
    // Whole numbers, so that sums are exact; small ones, so that there are many ties, zeros too.
    std::ranges::generate(costs, [&, bound = seed % 2 == 0 ? 4 : 1000] {
      return static_cast<double>(random.next_below(bound));
    });
    const std::vector<std::vector<int>> cuts = test::all_cuts(layers, stages);
    const auto best = std::ranges::min_element(
        cuts, {}, [&](const std::vector<int>& cut) { return value_of(costs, cut); });
    EXPECT_EQ(balance(costs, stages), *best)
        << "seed " << seed << ", costs " << testing::PrintToString(costs);
  }
}

TEST(BalanceTest, RefusesWhatCannotBeCut) {
  EXPECT_THAT(error_of({1, 2}, 3), HasSubstr("2 layers cannot be cut into 3 stages"));
  EXPECT_THAT(error_of({1, 2}, 0), HasSubstr("2 layers cannot be cut into 0 stages"));
  EXPECT_THAT(error_of({}, 1), HasSubstr("0 layers cannot be cut into 1 stages"));
  EXPECT_THAT(error_of({1, -2}, 1), HasSubstr("layer 1 has forward seconds -2"));
  EXPECT_THAT(error_of({std::nan(""), 2}, 1), HasSubstr("layer 0 has forward seconds nan"));
  EXPECT_THAT(error_of({1, INFINITY}, 2), HasSubstr("layer 1 has forward seconds inf"));
  EXPECT_THAT(error_of({1.7e308, 1.7e308}, 1), HasSubstr("too large"));
}

TEST(BalanceTest, CutsTheNumberOfLayersEvenly) {
  EXPECT_THAT(even(6, 3), ElementsAre(2, 2, 2));
  EXPECT_THAT(even(8, 3), ElementsAre(3, 3, 2));
  EXPECT_THAT(even(3, 3), ElementsAre(1, 1, 1));
  EXPECT_THROW(even(2, 3), InvalidArgument);
  EXPECT_THROW(even(2, 0), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::partition
