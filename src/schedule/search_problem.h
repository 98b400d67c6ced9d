// Whether a search can begin.

#pragma once

#include "lockflight/schedule/search.h"

namespace lockflight::schedule {

/// Throws InvalidArgument if a vector has a wrong length, or a time or a size is negative or no
/// number.
void check(const SearchProblem& problem);

/// Throws PlanError, naming a rank and the least it needs, if what one micro-batch saves there is
/// beyond the limit: one after the other takes the least memory.
void check_memory(const SearchProblem& problem);

}  // namespace lockflight::schedule
