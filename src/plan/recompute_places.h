// In front of which stages' backwards an R stands.

#pragma once

#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// Of the marked stages those whose gradient comes from another rank, and not only for backwards in
/// overlapped pairs: an R is of use while that is made and travels.  A stage that hands itself the
/// gradient, or begins with the loss, has nothing to wait for.
///   marks     by stage; empty: none
///   returns   by stage; empty if there is none, or the schedule has no backward
/// Throws InvalidArgument if there is not one mark for each stage.
std::vector<bool> recompute_places(const schedule::Schedule& schedule,
                                   const std::vector<bool>& marks);

}  // namespace lockflight::plan
