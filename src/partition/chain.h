// One stage per rank, nothing recomputed: the exact method.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partition/costs.h"
#include "partition/cuts.h"

namespace lockflight::partition {

struct Chain {
  std::vector<int> cuts;  ///< the first layer of every stage, and the number of layers
  bool proved = false;    ///< that nothing is better; the slowest stage is always proved
};

/// Makes the slowest stage as fast as possible, then the next slowest, and so on, each stage
/// within its own memory; nothing if that is too little.
///
/// 1. The least limit for which Reach leads to the end is the slowest stage's time; it is found by
///    bisection, in which a failure tells the next limit that could change anything and a success
///    the slowest stage of a partition.
/// 2. All partitions within the limit pass through the cuts that are the only one left for their
///    stage. The segments between are independent, so each is solved in the same way.
/// 3. A segment with a choice at every cut is solved by dynamic programming over the cuts left,
///    with multisets of times for values (leximax.h).
/// Once `steps` are used up, what is left of 2 stays as it is; where 3 would need more, the slowest
/// stages of the segment stay where they are and the rest goes on as in 2.
std::optional<Chain> solve_chain(const Costs& costs, const Cuts& cuts,
                                 std::span<const std::int64_t> memory_of_stage, std::int64_t steps);

/// The cuts of any partition with each stage within its memory, if there is one.
std::optional<std::vector<int>> any_chain(const Costs& costs, const Cuts& cuts,
                                          std::span<const std::int64_t> memory_of_stage);

}  // namespace lockflight::partition
