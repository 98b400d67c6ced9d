// What every transport checks before it enqueues anything.

#pragma once

#include <vector>

#include "lockflight/comm/transport.h"

namespace lockflight::comm {

/// Throws InvalidArgument unless the peer is another one of the ranks.
void check_route(const char* what, int rank, int ranks, const Route& route);

/// Throws InvalidArgument unless the values can be added up and the members are ascending ranks,
/// `rank` among them.
void check_members(const TensorView& values, int rank, int ranks, const std::vector<int>& members);

}  // namespace lockflight::comm
