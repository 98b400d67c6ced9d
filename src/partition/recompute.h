// Which of a rank's layers to recompute.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partition/costs.h"

namespace lockflight::partition {

/// One stage with its layers.
struct Share {
  int stage = 0;
  int begin = 0;
  int end = 0;
};

struct Choice {
  std::int64_t bytes = 0;       ///< within memory if possible, else the least possible
  Ticks ticks = 0;              ///< that recomputing adds, the least within memory
  std::vector<int> recomputed;  ///< layers
  bool proved = true;           ///< false if there was too much to choose from
};

/// The cheapest choice for a rank with these shares, or if none is within memory_bytes the one with
/// the least bytes.  Takes its work from steps_left.
Choice choose_recomputed(const Costs& costs, int rank, std::span<const Share> shares,
                         std::int64_t memory_bytes, std::int64_t& steps_left);

}  // namespace lockflight::partition
