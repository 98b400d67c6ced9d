// What a program needs of a rank's transport.

#pragma once

#include "lockflight/comm/transport.h"
#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// The edges and groups of one rank.
Links links_of(const Program& program, int rank);

}  // namespace lockflight::plan
