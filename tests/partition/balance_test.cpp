#include "lockflight/partition/balance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"

namespace lockflight::partition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The slowest stage of a cut and the sum of squares of all.
std::pair<double, double> value_of(const std::vector<double>& costs, const std::vector<int>& cut) {
  double slowest = 0;
  double squares = 0;
  auto layer = costs.begin();
  for (const int layers : cut) {
    const double cost = std::accumulate(layer, layer + layers, 0.0);
    slowest = std::max(slowest, cost);
    squares += cost * cost;
    layer += layers;
  }
  return {slowest, squares};
}

// All ways to cut, those with more layers in the first stages first.
std::vector<std::vector<int>> all_cuts(int layers, int stages) {
  if (stages == 1) {
    return {{layers}};
  }
  std::vector<std::vector<int>> cuts;
  for (int first = layers - stages + 1; first >= 1; --first) {
    for (std::vector<int> rest : all_cuts(layers - first, stages - 1)) {
      rest.insert(rest.begin(), first);
      cuts.push_back(std::move(rest));
    }
  }
  return cuts;
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
    const std::vector<std::vector<int>> cuts = all_cuts(layers, stages);
    const auto best = std::ranges::min_element(
        cuts, {}, [&](const std::vector<int>& cut) { return value_of(costs, cut); });
    EXPECT_EQ(balance(costs, stages), *best)
        << "seed " << seed << ", costs " << testing::PrintToString(costs);
  }
}

TEST(BalanceTest, FindsTheSlowestStageOfFractionalCostsToo) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Random random({.seed = seed});
    const int layers = 1 + static_cast<int>(random.next_below(10));
    const int stages = 1 + static_cast<int>(random.next_below(layers));
    std::vector<double> costs(layers);
    std::ranges::generate(costs, [&] { return std::exp(4 * random.next_normal()); });
    double best = std::numeric_limits<double>::infinity();
    for (const std::vector<int>& cut : all_cuts(layers, stages)) {
      best = std::min(best, value_of(costs, cut).first);
    }
    const std::vector<int> cut = balance(costs, stages);
    EXPECT_EQ(std::accumulate(cut.begin(), cut.end(), 0), layers);
    EXPECT_NEAR(value_of(costs, cut).first / best, 1.0, 1e-9) << "seed " << seed;
  }
}

TEST(BalanceTest, RefusesWhatCannotBeCut) {
  EXPECT_THAT(error_of({1, 2}, 3), HasSubstr("2 layers cannot be cut into 3 stages"));
  EXPECT_THAT(error_of({1, 2}, 0), HasSubstr("2 layers cannot be cut into 0 stages"));
  EXPECT_THAT(error_of({}, 1), HasSubstr("0 layers cannot be cut into 1 stages"));
  EXPECT_THAT(error_of({1, -2}, 1), HasSubstr("layer 1 costs -2"));
  EXPECT_THAT(error_of({std::nan(""), 2}, 1), HasSubstr("layer 0 costs nan"));
  EXPECT_THAT(error_of({1, INFINITY}, 2), HasSubstr("layer 1 costs inf"));
  EXPECT_THAT(error_of({1e200, 1}, 1), HasSubstr("cost 1e+200 in all, at most 1e+150"));
}

}  // namespace
}  // namespace lockflight::partition
