// How fast no order can be.

#pragma once

#include "lockflight/schedule/search.h"

namespace lockflight::schedule {

/// The largest over the ranks of what the rank alone takes if each of its actions may be
/// interrupted, begins no earlier than its inputs can be there (head), and is followed by what
/// comes after it elsewhere (tail): Jackson's preemptive rule. Memory limits do not count.
/// Source: Carlier 1982, "The one-machine sequencing problem", section 2.
double lower_bound(const SearchProblem& problem);

}  // namespace lockflight::schedule
