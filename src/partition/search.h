// Several stages per rank, or a choice of recomputed layers: local search, then branch and bound.

#pragma once

#include <cstdint>
#include <vector>

#include "partition/costs.h"
#include "partition/cuts.h"

namespace lockflight::partition {

struct Found {
  std::vector<int> cuts;        ///< the first layer of every stage, and the number of layers
  std::vector<int> recomputed;  ///< layers
  /// 0 if all ranks have memory enough; else the least to which the memory of those that have less
  /// must be raised.
  std::int64_t memory_bytes = 0;
  bool proved = false;
};

enum class Goal { fastest, any_that_fits };

/// The partition with the least memory_bytes, and of those the best in the order of solve(); for
/// any_that_fits only as far as whether memory_bytes is 0. Unless `proved`, the best within the
/// steps.
Found search(const Costs& costs, const Cuts& cuts, Goal goal, std::int64_t steps);

}  // namespace lockflight::partition
