// What the search works on: orders without the numbers of micro-batches.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockflight/schedule/search.h"

namespace lockflight::schedule {

/// One action of a rank.  Micro-batches are all alike, so nothing is lost if every stage takes them
/// in ascending order in its F, I and W: the n-th F of a stage is that of micro-batch n.
struct Turn {
  int stage = 0;
  ActionKind kind = ActionKind::forward;

  friend bool operator==(const Turn&, const Turn&) = default;
};

using Row = std::vector<Turn>;
using Order = std::vector<Row>;  // one row per rank

/// The order of a schedule; nothing if it overlaps actions, has others than F, I, W and B, or a
/// stage that does not take micro-batches in ascending order.
std::optional<Order> order_of(const Schedule& schedule);

Schedule schedule_of(const Order& order, const SearchProblem& problem);

/// "no limit" of a rank's memory.
std::int64_t memory_limit(const SearchProblem& problem, int rank);

/// Says which rows a rank may have, other ranks aside.
class RowRules {
 public:
  explicit RowRules(const SearchProblem& problem);

  /// Whether each I comes behind its F and each W behind its I, a B is of the micro-batch whose W
  /// is next, and memory is kept within the limit.
  bool allow(int rank, const Row& row);

 private:
  struct Counts {
    int forwards = 0;
    int input_gradients = 0;
    int weight_gradients = 0;
  };

  const SearchProblem& problem_;
  std::vector<SavedBytes> saved_;
  std::vector<Counts> counts_;  // by stage
};

/// Of every stage; zeros if the problem has none.
std::vector<SavedBytes> saved_bytes(const SearchProblem& problem);

}  // namespace lockflight::schedule
