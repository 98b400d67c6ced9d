// Sums over ranks, in their order.

#pragma once

#include <cstddef>
#include <vector>

#include <nccl.h>

namespace virtual_gpu {

/// to[i] = the reduction of from[rank][i] over all ranks, `count` elements; rounded to the type
/// after each step.  False: this type or reduction is not emulated.
bool reduce(ncclDataType_t type, ncclRedOp_t reduction, const std::vector<const void*>& from,
            std::size_t count, void* to);

}  // namespace virtual_gpu
