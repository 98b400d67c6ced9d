// A schedule that holds its transfers already becomes a program in the order of its file.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

struct Transcription {
  Program program;
  /// By rank and instruction: the cell of the schedule's row that it comes from, counted from 0; -1
  /// for the end of the step.
  std::vector<std::vector<int>> cells;
};

/// Keeps every rank's order.  What the file does not say is as runtimes of the dialect "compute and
/// comms" have it:
///   - every directed edge between stages has a stream of its own at both ends;
///   - a receive is posted where it stands, into fresh memory: it starts when the computes before
///   it
///     are over, and the compute that needs it waits for it;
///   - a send starts when the computes before it are over; its memory lives to the end of the step,
///     where the rank waits for all its sends;
///   - a rank that trains ends with the sums of tied gradients, the norm of all gradients and the
///     update;
///   - a forward and a backward in one cell run overlapped: the parts start when the inputs of
///     both that stand in front of them are there, the backward on a compute stream of its own, and
///     what follows the cell waits for both; other actions in one cell run one after the other;
///   - an R stands where lower would put it: in front of the wait for what its backward needs, in
///     an overlapped pair nowhere;
///   - UNSHARD, RESHARD and REDUCE_GRAD carry no boundary and are left out.
/// Nothing else is asked: whether the order makes sense is for prove to say.
///   ties   of the model, in two-way placement by the stages of its first copy
///   text   that the schedule was read from, for the places that messages name; empty: what
///          write_csv makes of the schedule
///   recomputes   as in LowerOptions
/// Throws DataError, with row, cell, line and column, for a transfer that leaves no stage, reaches
/// none, or stays on its rank; InvalidArgument if recomputes has not one mark for each stage.
Transcription transcribe(const schedule::Schedule& schedule,
                         const std::vector<TiedStages>& ties = {}, std::string_view text = {},
                         const std::vector<bool>& recomputes = {});

/// The program that runs a schedule of either dialect: transcribed if it holds transfers, lowered
/// if it does not.  Where the optimizer is in the schedule, the former has no prologue, since its
/// transfers have their places.  Throws as these two do.
Program program_of(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties,
                   const LowerOptions& options = {});

/// Where transfers stand that with_transfers adds.
enum class TransferCells : std::uint8_t {
  shared,  ///< in the cell of their compute: cells keep their numbers
  own,     ///< each in one of its own, as in a file; idle slots are left out
};

/// A schedule of F, I, W and B with the plainest transfers: a receive right in front of the cell
/// that needs it, a send right behind the compute that makes it, or behind its overlapped pair.
schedule::Schedule with_transfers(const schedule::Schedule& schedule,
                                  TransferCells cells = TransferCells::shared);

/// The same program with all transfers of a rank on one stream and one channel, in the order of the
/// host, as in runtimes that have only one: their sends and receives to a rank match in order,
/// whatever they carry.
Program single_transfer_stream(Program program);

}  // namespace lockflight::plan
