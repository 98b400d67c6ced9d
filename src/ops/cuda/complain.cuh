// How a kernel says that its data are wrong.

#pragma once

#include "ops/cuda/launch.cuh"

namespace lockflight::ops::cuda {

using lockflight::cuda::Complaint;
using lockflight::cuda::ComplaintKind;

/// The device fails after its next synchronisation, unless another thread complained before.
///   value   at `position`, expected in 0 … limit - 1
__device__ inline void complain(Complaint* complaint, ComplaintKind kind, std::int64_t position,
                                std::int64_t value, std::int64_t limit) {
  if (atomicExch(&complaint->raised, 1) == 0) {
    complaint->kind = kind;
    complaint->position = position;
    complaint->value = value;
    complaint->limit = limit;
  }
}

}  // namespace lockflight::ops::cuda
