// What lowering knows of ranks as it goes along.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

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

/// A send that has to come behind a prologue.
struct HeldBack {
  Boundary boundary;
  int made;  ///< the event behind what makes its bytes
};

/// What a rank still has to do, and what it knows.
struct RankState {
  std::vector<schedule::Action> order;
  std::vector<bool> begins_pair;  ///< by position: it and the next action run overlapped
  std::size_t next = 0;
  std::size_t posted = 0;  ///< receives, counted by the actions that need them
  std::vector<HeldBack> held_back;
  std::vector<int> clock;
  int second_stream = 0;  ///< that computes; 0: not used yet
};

RankState start_of(const schedule::Schedule& schedule, int rank);

/// For every rank, how many of its first actions make its prologue: see plan/prologue.h.
std::vector<std::size_t> prologues_of(const schedule::Schedule& schedule,
                                      const std::vector<RankState>& ranks);

/// Throws PlanError with the actions at which ranks stand, if any has actions left.
void check_all_taken(const schedule::Schedule& schedule, const std::vector<RankState>& ranks);

}  // namespace lockflight::plan
