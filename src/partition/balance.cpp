#include "lockflight/partition/balance.h"

#include <numeric>
#include <variant>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/solve.h"

namespace lockflight::partition {

std::vector<int> even(int layers, int stages) {
  if (stages < 1 || layers < stages) {
    throw InvalidArgument(
        fmt::format("{} layers cannot be cut into {} stages; each stage needs one layer at least, "
                    "and there must be a stage",
                    layers, stages));
  }
  std::vector<int> layers_of_stage(stages, layers / stages);
  for (int s = 0; s < layers % stages; ++s) {
    ++layers_of_stage[s];
  }
  return layers_of_stage;
}

std::vector<int> balance(std::span<const double> costs, int stages) {
  if (stages < 1) {
    throw InvalidArgument(fmt::format("{} layers cannot be cut into {} stages; there must be one",
                                      costs.size(), stages));
  }
  Problem problem;
  for (const double cost : costs) {
    problem.layers.push_back({.forward = cost});
  }
  problem.ranks.resize(stages);
  problem.rank_of_stage.resize(stages);
  std::iota(problem.rank_of_stage.begin(), problem.rank_of_stage.end(), 0);
  problem.in_flight.assign(stages, 1);
  return std::get<Partition>(solve(problem)).layers_of_stage;
}

}  // namespace lockflight::partition
