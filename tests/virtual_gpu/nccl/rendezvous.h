// Where the two ends of a transfer, or all ranks of a collective, meet.
//
// Sends and receives between two ranks of a communicator match in the order in which they were
// posted, collectives by their number.  Whoever comes last moves the bytes.

#pragma once

#include <memory>
#include <utility>

#include "virtual_gpu/machine/machine.h"
#include "virtual_gpu/nccl/transfer.h"

namespace virtual_gpu {

/// Sender and receiver; (-1, -1) for a collective.
std::pair<int, int> connection(const Transfer& transfer);

/// The transfer's stream has come to it.
void post(Machine& machine, const std::shared_ptr<Transfer>& transfer);

/// Takes all transfers of a communicator out again: it is aborted.
void withdraw(ncclComm& comm);

}  // namespace virtual_gpu
