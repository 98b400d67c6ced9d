// The proof that a program can be run: that it is complete, cannot deadlock and cannot race.
//
// The model is that of schedules under NCCL, and of the executor:
//   - the host enqueues a rank's instructions in their order and waits for nothing; streams are
//     in-order; computes run on stream 0, or on a second one that computes; allocate, release, the
//     norm and the update run on stream 0;
//   - a send or receive holds its stream until its partner stands at the other end of the channel;
//     ends match in order.  Nothing is buffered.  reduce_tied meets the same way, gradient_norm
//     meets all ranks;
//   - a wait holds its stream until the record of its event, earlier on the host, is passed.
// All communication is deterministic, so one synchronous execution decides whether every stream
// drains (Siegel and Avrunin 2005).
//
// Races: a slot is a buffer.  allocate and release write it, recv writes it, send reads it, a
// compute frees the slot that it takes and writes the one that it fills; reduce_tied, the weight
// gradients of the tie's stages, the norm and the update write a tie's gradients.  So are what a
// stage keeps of a micro-batch, which its F, I, W, B and R write, and a stage's gradients, which W,
// B, the norm and the update write.  Every two of these that touch the same buffer, one writing,
// must be ordered by stream order and by records and waits of that rank.  What only a transfer's
// other end would order is refused: that is conservative, and makes the clocks as small as the rank
// has streams.  The sums of squares of a rank, those it receives and those of all ranks are buffers
// like slots.  Where one stream computes, memory changes hands on it in the host's order, so this
// holds for bytes, too: whichever placement gives buffers that live at the same time, in the host's
// order, bytes of their own.  Where two do, a placement must also keep apart what one stream gives
// back and the other takes before it is known to come after that: see prove_layout.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

struct Finding {
  enum class Kind : std::uint8_t { incomplete, deadlock, race, memory };

  Kind kind = Kind::incomplete;
  int rank = -1;                 ///< -1: the program as a whole
  int stream = -1;               ///< -1: the rank as a whole
  std::ptrdiff_t position = -1;  ///< the number of the rank's instruction; -1: none
  std::string sentence;          ///< without the place

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// "incomplete", "deadlock", "race", "memory"
std::string to_string(Finding::Kind kind);
/// "rank 1, stream 2, instruction 17: …"
std::string to_string(const Finding& finding);

struct Proof {
  /// By rank and position; of each kind at most kMostOfAKind.
  std::vector<Finding> findings;
  std::size_t total = 0;  ///< findings of all kinds, kept or not

  // What was looked at.
  std::size_t instructions = 0;
  std::size_t actions = 0;    ///< computes
  std::size_t transfers = 0;  ///< sends
  std::size_t streams = 0;

  static constexpr std::size_t kMostOfAKind = 100;
  bool proved() const { return total == 0; }
};

/// All that is wrong with a program, which may be anything at all.
///   form       every number names something that there is, on the stream that the executor uses;
///              if not, nothing else is looked at
///   complete   every F, and where the program trains every B, or I and W, once on the rank of its
///              stage, after what it needs, from and into the right slots; where the program says
///              that a stage recomputes, one R between each F and its I or B on stream 0, and none
///              elsewhere; weight gradients in ascending order of micro-batches; every boundary
///              between ranks sent and received once, both ends of a channel in the same order;
///              ties added up after the last weight gradient; one norm and one update after all of
///              it; no slot left over
///   deadlock   every stream drains; if not, every circle of streams that wait for each other
///   race       see above
///   chain      where the optimizer is in the schedule: prologues send only what prologues receive,
///              and two steps in a row have no deadlock and no race, whether the update between
///              them is accepted or amended: see unroll
/// Time and memory are linear in the instructions, but for the product of a rank's streams and
/// waits.
Proof prove(const Program& program);

/// Throws PlanError, with the first findings, unless the program is proved.
void check_proved(const Program& program);

}  // namespace lockflight::plan
