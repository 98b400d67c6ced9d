// What of a step can run before the update in front of it is validated.

#pragma once

#include <cstddef>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// For every rank, how many of its first actions make its prologue: as many forwards as come before
/// its first backward, less those whose input is made outside of the prologues; none on the last
/// rank, which knows all sums before anybody else.
///
/// So no prologue waits for what comes after a validation, and all prologues can be thrown away and
/// run again.
///
///   1F1B p3    rank 0   F0 F1 F2 | B0 F3 B1 ...     | validation of the step before
///              rank 1   F0 F1 | B0 F2 B1 ...
///              rank 2   | F0 B0 F1 B1 ...
std::vector<std::size_t> prologue_actions(const schedule::Schedule& schedule,
                                          const std::vector<std::vector<schedule::Action>>& orders);

}  // namespace lockflight::plan
