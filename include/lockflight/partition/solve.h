// The best partition of a problem, or what would have to change for one to exist.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lockflight/partition/problem.h"

namespace lockflight::partition {

/// A partition within every rank's memory.
struct Partition {
  std::vector<int> layers_of_stage;
  std::vector<bool> recomputed;  ///< of every layer
  std::vector<Load> loads;       ///< of every rank
  bool slowest_proved = false;   ///< no partition has a faster slowest rank
  bool proved_optimal = false;   ///< no partition is better in the order of solve()
};

/// Nothing fits, and the least changes after which something does, each on its own.
struct Misfit {
  /// With every rank's memory raised to this, if it has less, a partition exists; with one byte
  /// less, none does.
  std::int64_t smallest_memory_bytes = 0;
  /// The rank that needs just that much then, what it has, and the layer in the order of the model
  /// with which it goes beyond what it has (or the last, if only together with its transient).
  int rank = 0;
  std::int64_t rank_memory_bytes = 0;
  int layer = 0;
  /// With no stage holding more micro-batches in flight than this a partition exists, with one
  /// more none does; absent if even one is too many.
  std::optional<int> in_flight;
  /// Whether a partition exists once recomputing is allowed, where it is not.
  bool recompute_fits = false;
  /// Whether the numbers above are proved least; if not, a partition exists as they say, but
  /// perhaps for less already.
  bool proved = false;
};

/// One sentence: which rank and layer, by how many bytes, and what would fit.
std::string to_string(const Misfit& misfit);

/// How long to look where no method finds and proves the best at once. Counted in steps of the
/// search, not in time: the same problem and effort give the same answer on every machine.
struct Effort {
  std::int64_t steps = 100'000'000;
};

/// Makes the slowest rank as fast as possible, then the next slowest, and so on: the least list of
/// all ranks' seconds in descending order, among the partitions within every rank's memory. Layers
/// are recomputed only if that makes this list smaller. Times are taken as whole multiples of about
/// 2⁻⁵¹ of all time there is, so that sums are exact.
///
/// One stage per rank, nothing recomputed: the slowest rank is always proved, the rest within the
/// effort; of equal partitions that are proved optimal, the one with the most layers in the first
/// stages. Otherwise: branch and bound after a local search; what the effort did not suffice to
/// prove is the best that was found.
///
/// Throws InvalidArgument as check() does.
std::variant<Partition, Misfit> solve(const Problem& problem, const Effort& effort = {});

}  // namespace lockflight::partition
