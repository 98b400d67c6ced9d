#include "lockflight/partition/balance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::partition {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();
constexpr double kLargestSum = 1e150;  // its square is finite

void check(std::span<const double> costs, int stages) {
  if (stages < 1 || costs.size() < static_cast<std::size_t>(stages)) {
    throw InvalidArgument(
        fmt::format("balance: {} layers cannot be cut into {} stages; each stage needs one layer "
                    "at least, and there must be a stage",
                    costs.size(), stages));
  }
  double sum = 0;
  for (std::size_t layer = 0; layer < costs.size(); ++layer) {
    sum += costs[layer];
    if (!std::isfinite(costs[layer]) || costs[layer] < 0) {
      throw InvalidArgument(fmt::format(
          "balance: layer {} costs {}; a cost is finite and not negative", layer, costs[layer]));
    }
  }
  if (sum > kLargestSum) {
    throw InvalidArgument(
        fmt::format("balance: the layers cost {} in all, at most {} is possible; "
                    "use a larger unit",
                    sum, kLargestSum));
  }
}

struct Solution {
  double value;
  std::vector<int> layers_of_stage;
};

// The least value over all cuts into stages, where a stage has a price by its cost:
//   best[0][i] = price(cost(i, end))
//   best[k][i] = min over j of combine(price(cost(i, j)), best[k − 1][j])
// best[k][i] is that of layers i … end in k + 1 stages, cut[k][i] the largest j that attains it.
template <typename Price, typename Combine>
Solution solve(std::span<const double> costs, int stages, Price price, Combine combine) {
  const std::size_t layers = costs.size();
  std::vector<double> before(layers + 1, 0.0);
  std::partial_sum(costs.begin(), costs.end(), before.begin() + 1);
  std::vector<std::vector<double>> best(stages, std::vector<double>(layers, kImpossible));
  std::vector<std::vector<std::size_t>> cut(stages, std::vector<std::size_t>(layers, layers));
  for (std::size_t i = 0; i < layers; ++i) {
    best[0][i] = price(before[layers] - before[i]);
  }
  for (int k = 1; k < stages; ++k) {
    for (std::size_t i = 0; i + k < layers; ++i) {
      for (std::size_t j = i + 1; j + k <= layers; ++j) {
        const double value = combine(price(before[j] - before[i]), best[k - 1][j]);
        if (value <= best[k][i]) {
          best[k][i] = value;
          cut[k][i] = j;
        }
      }
    }
  }
  Solution solution{.value = best[stages - 1][0], .layers_of_stage = {}};
  for (std::size_t i = 0, k = stages; k > 0; --k) {
    solution.layers_of_stage.push_back(static_cast<int>(cut[k - 1][i] - i));
    i = cut[k - 1][i];
  }
  return solution;
}

}  // namespace

std::vector<int> balance(std::span<const double> costs, int stages) {
  check(costs, stages);
  const auto itself = [](double cost) { return cost; };
  const auto larger = [](double a, double b) { return std::max(a, b); };
  const double slowest = solve(costs, stages, itself, larger).value;
  const auto square = [&](double cost) { return cost <= slowest ? cost * cost : kImpossible; };
  return solve(costs, stages, square, std::plus<>()).layers_of_stage;
}

}  // namespace lockflight::partition
