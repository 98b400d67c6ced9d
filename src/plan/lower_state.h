// What lowering knows of ranks and boundaries as it goes along.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/action.h"

namespace lockflight::plan {

/// For every rank, how many of its actions are known to be over.  Many are made and dropped, all of
/// one length, so their memory is used again.
class Clocks {
 public:
  explicit Clocks(int ranks) : ranks_(ranks) {}

  int copy(const std::vector<int>& clock) {
    if (free_.empty()) {
      free_.push_back(static_cast<int>(clocks_.size()));
      clocks_.emplace_back(ranks_);
    }
    const int number = free_.back();
    free_.pop_back();
    clocks_[number] = clock;
    return number;
  }

  /// Adds what `number` knows to `clock`, and drops it.
  void join(std::vector<int>& clock, int number) {
    const std::vector<int>& other = clocks_[number];
    for (int rank = 0; rank < ranks_; ++rank) {
      clock[rank] = std::max(clock[rank], other[rank]);
    }
    free_.push_back(number);
  }

 private:
  int ranks_;
  std::vector<std::vector<int>> clocks_;
  std::vector<int> free_;
};

/// A send whose end nobody has waited for yet.
struct PendingSend {
  int slot;
  int event;
  int taken_by;  ///< position of the action that takes the bytes in the taker's order
};

enum End { sending, receiving };

/// What is known of a boundary while it is on its way.
struct Passage {
  int taken_by = -1;                ///< position of the action that takes it in its rank's order
  int clock = -1;                   ///< what was over when it was made; -1: not made, or taken
  int received = -1;                ///< the event after its receive
  std::array<int, 2> slot{-1, -1};  ///< by end; both are the same where it stays on a rank
};

struct Channel {
  std::array<int, 2> rank{};        ///< by end
  std::array<int, 2> stream{0, 0};  ///< by end; 0: not used yet
  std::deque<PendingSend> pending;
};

/// A send that has to come behind a prologue.
struct HeldBack {
  Boundary boundary;
  int made;  ///< the event behind what makes its bytes
};

/// What a rank still has to do, and what it knows.
struct RankState {
  std::vector<schedule::Action> order;
  std::size_t next = 0;
  std::size_t posted = 0;  ///< receives, counted by the actions that need them
  std::vector<HeldBack> held_back;
  std::vector<int> clock;
  std::vector<int> sends;  ///< channels
};

}  // namespace lockflight::plan
