// The end of a program whose optimizer is in the schedule.

#pragma once

#include <cstddef>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// The instructions of an update phase are at most so many.
constexpr std::size_t kMostOfAnUpdate = 32;

/// Sums travel between neighbours in both directions.
inline int channels_of_update(int ranks) { return 2 * (ranks - 1); }

/// Appends the update phase of one rank; its channels are numbered from first_channel on.
///
///   rank 0     sums ──▶ update ┄┄┄┄┄┄┄┄┄┄┄┄┄┄▶ validate
///                  ╲                        ╱
///   rank 1     sums + ──▶ update ┄┄┄┄┄▶ ───▶ validate
///                     ╲              ╱
///   rank 2         sums + ───────────▶ update, validate
///
/// The transfers have streams of their own, so computation that follows the update does not wait
/// for them before `validate`.
void append_update_in_schedule(Program& program, int rank, int first_channel);

}  // namespace lockflight::plan
