// From a schedule of compute actions to a program.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// Where the update stands.
///   after_step    All ranks meet for the norm of all gradients, then update.
///   in_schedule   No rank waits for all others.  The sums of squares travel from rank 0 to the
///   last
///                 one; each rank adds its own and updates at once if what it knows so far does not
///                 forbid it.  The sums of all then travel back, and where they ask for another
///                 update (the gradients are to be clipped) or for none (they are not finite), a
///                 rank takes back what it did and does that.  Results are the same to the bit.
///                 Source: Qi et al. 2023 (arXiv:2401.10241), section 4.
enum class OptimizerPlace : std::uint8_t { after_step, in_schedule };

struct LowerOptions {
  /// How many compute actions ahead of the one that needs its bytes a receive is posted; 0: just
  /// before it. A receive posted early is there when the bytes come, so the transfer runs beside
  /// computation, but its memory is taken for as long.
  int receive_ahead = 1;
  OptimizerPlace optimizer = OptimizerPlace::after_step;
  /// By stage: whether it has layers that run again before their backward, one of them ahead of it.
  /// Empty: none has.  Plans fill it in.
  std::vector<bool> recomputes{};
};

/// Inserts transfers, memory and dependencies:
///   - every directed edge between stages on different ranks has a stream and a channel of its own
///     at both ends, so no transfer stands behind one of another edge; what a stage makes for a
///     neighbour on its own rank is handed over in a slot, without any transfer;
///   - a receive is posted options.receive_ahead compute actions ahead of the one that needs it,
///     into memory that the compute stream has given free (record, wait);
///   - a send waits for the action that computes its bytes, and its memory lives until a wait
///     proves it done; that wait stands before the first action of the rank that cannot start
///     before the receiver has taken the bytes anyway, so it never holds anything up; failing such
///     an action, at the end of the step;
///   - the parts of an overlapped pair start when the inputs of both are there, the forward on
///     stream 0 and the backward on a compute stream of its own, and what follows waits for both;
///     what a part makes is sent when that part is over;
///   - where options.recomputes marks a stage whose gradient comes from another rank, an R runs
///     while that is on its way: it stands in front of the wait for it, and behind all else that
///     the backward waits for, so that memory changes hands in the same order as without; in an
///     overlapped pair the backward recomputes by itself, beside the forward;
///   - tied gradients are added up after a rank's last action, in two-way placement behind the sums
///     of every part of the model over its two copies; a schedule that trains ends with the
///     norm of all gradients and the update, or with what options.optimizer says.
///   ties   of the model, in two-way placement by the stages of its first copy
/// Takes time and memory in proportion to the schedule's actions, the time also to its ranks.
/// Throws InvalidArgument if receive_ahead is negative, recomputes has not one mark for each stage,
/// or a tie is of no such stage; PlanError, with all findings, if the schedule is not valid or not
/// made of F, I, W and B; if its order makes ranks wait for each other in a circle; or if the two
/// ends of an edge use it in different orders.
Program lower(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties,
              const LowerOptions& options = {});

}  // namespace lockflight::plan
