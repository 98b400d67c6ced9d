// Transfers between neighbouring ranks, alone.

#pragma once

#include <cstddef>
#include <vector>

#include "lockflight/comm/world.h"
#include "tools/bench_results.h"

namespace lockflight::tools {

/// Which there are with so many ranks, in both directions, without times.
std::vector<TransferRun> transfers_among(int ranks, const std::vector<std::size_t>& sizes);

/// How often a transfer is sent in a row.
constexpr int kTransfersInARow = 20;

/// Sends every one of them so often through the transport of a new world, after one that does not
/// count, and adds the time from the end of each to that of the next, by the receiver's clock.
/// Throws what failed first on any rank.
///   options   of the world, with as many ranks as the transfers have
void measure_transfers(const ThreadWorldOptions& options, std::vector<TransferRun>& transfers);

}  // namespace lockflight::tools
