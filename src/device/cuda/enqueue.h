// Work of any kind on a stream of a CUDA device.

#pragma once

#include <functional>

#include "lockflight/device/device.h"

struct CUstream_st;

namespace lockflight::cuda {

/// Calls `work` with CUDA's stream and its device current, unless the device has failed.
void enqueue(Stream& stream, const std::function<void(CUstream_st*)>& work);

}  // namespace lockflight::cuda
