// Several steps of a program in a row.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// What the sums of all ranks say of an update that was made before they were known.
enum class Verdict : std::uint8_t {
  accepted,  ///< it was right: nothing was to be clipped
  amended,   ///< the gradients are clipped: it is made again with the right scale
  refused,   ///< they are not finite: nothing is updated
};

/// The program of verdicts.size() + 1 steps: as their instructions are enqueued one after another,
/// so that it can be simulated and its streams and slots proved.
///
/// With the optimizer after the step, whole steps follow each other.  With it in the schedule a
/// rank's host enqueues, between two steps,
///   - the update of the one, and the sums' transfers;
///   - the prologue of the other;
///   - when the sums of all ranks have come, which no stream passes here: `validate`; and if the
///     verdict is that the update is amended, after everything enqueued has run: `validate`, a
///     second `update`, and the prologue from its begin;
///   - the rest of the other step.
/// No verdict may be `refused`, which ends a run: throws InvalidArgument.
Program unroll(const Program& program, const std::vector<Verdict>& verdicts);

/// The same with all updates accepted.
Program unroll(const Program& program, std::size_t steps);

}  // namespace lockflight::plan
