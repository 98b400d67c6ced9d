// Rows of data on the host.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/core/host_tensor.h"

namespace lockflight::runtime {

/// The outermost extent of the first tensor; 0 if there is none.
std::int64_t rows_of(const std::vector<HostTensor>& tensors);

/// From tensor to tensor of the same shapes.
void copy_bytes(const std::vector<HostTensor>& from, std::vector<HostTensor>& to);

/// One tensor of as many rows as `rows` has for each tensor of a row, whose outermost extent is 1.
/// There is at least one row.
std::vector<HostTensor> join_rows(const std::vector<std::vector<HostTensor>>& rows);

}  // namespace lockflight::runtime
