// What lowering knows of boundaries on their way from stage to stage, and the instructions that
// carry them.

#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"
#include "plan/edges.h"
#include "plan/rank_writer.h"

namespace lockflight::plan {

enum End { sending, receiving };

/// What is known of a boundary while it is on its way.
struct Passage {
  int taken_by = -1;                ///< position of the action that takes it in its rank's order
  int clock = -1;                   ///< what was over when it was made; -1: not made, or taken
  int received = -1;                ///< the event after its receive
  std::array<int, 2> slot{-1, -1};  ///< by end; both are the same where it stays on a rank
};

class Transfers {
 public:
  /// Appends to the programs, one of each rank, which must live as long.
  Transfers(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties,
            std::vector<RankProgram>& programs);

  /// Those of the edges from 0 on, then those of the ties.
  int channels() const { return static_cast<int>(channels_.size()); }

  Passage& passage(const Boundary& b) { return passages_[number_of(b)]; }
  const Passage& passage(const Boundary& b) const { return passages_[number_of(b)]; }

  int taker(const Boundary& b) const { return channels_[channel_of(b)].rank[receiving]; }
  bool crosses_ranks(const Boundary& b) const {
    return channels_[channel_of(b)].rank[sending] != taker(b);
  }

  struct Room {
    std::size_t instructions = 0;
    std::size_t slots = 0;
  };
  /// What a rank's program has, at the most, besides its actions and its update: for boundaries of
  /// these actions and for ties.
  Room room_for(int rank, const std::vector<schedule::Action>& order) const;

  int make_slot(int rank, End end, const Boundary& boundary);
  void post_receive(int rank, const Boundary& input);
  /// Behind the event `made`.
  void send(int rank, const Boundary& output, int made);

  /// Waits for sends whose bytes the takers must have by now, judging by the rank's clock, and
  /// frees their memory.
  void settle_taken(int rank, const std::vector<int>& clock);
  /// Of all that are left.
  void settle_rest(int rank);

  /// Sums the gradients of all ties that the rank holds an end of.
  void reduce_tied(int rank);

 private:
  // A send whose end nobody has waited for yet.
  struct PendingSend {
    int slot;
    int event;
    int taken_by;  // position of the action that takes the bytes in the taker's order
  };

  struct Channel {
    std::array<int, 2> rank{};        // by end
    std::array<int, 2> stream{0, 0};  // by end; 0: not used yet
    std::deque<PendingSend> pending;
  };

  std::size_t number_of(const Boundary& b) const {
    return static_cast<std::size_t>(channel_of(b)) * micro_batches_ + b.micro_batch;
  }
  RankWriter on(int rank) { return RankWriter(programs_[rank]); }
  void settle(int rank, std::vector<PendingSend> sends);
  void reduce_tie(int rank, int tie);
  int stream_of(int number, End end);

  std::vector<RankProgram>& programs_;
  const schedule::Placement& placement_;
  const int micro_batches_;
  const int edges_;  // so many channels
  std::vector<Channel> channels_;
  std::vector<Passage> passages_;        // by channel and micro-batch
  std::vector<std::vector<int>> sends_;  // for every rank the channels on which it sends
};

}  // namespace lockflight::plan
