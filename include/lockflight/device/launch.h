// The door for operations: how a kernel gets onto a stream.
//
// Every operation, the library's own and a user's, is enqueued here with its name and cost, so that
// the meta device can cost a model by running it with shapes alone.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "lockflight/device/device.h"

struct CUstream_st;  // what CUDA's cudaStream_t points to

namespace lockflight {

namespace cpu {
class Team;
}

/// What an operation does, for planning.
struct OpCost {
  std::string_view name;   ///< a literal: it is kept
  double flops = 0;        ///< floating-point operations, a multiply-add counted as two
  double bytes_moved = 0;  ///< read plus written
};

namespace cpu {

/// Enqueues `kernel` on a stream of a CPU device, or only accounts for `cost` on a meta device. The
/// kernel runs later on a thread of the device and may split its work with the team, in a way that
/// does not change results; what it throws becomes the device's failure.  Throws InvalidArgument on
/// any other kind of device.  Does not wait.
void launch(Stream& stream, const OpCost& cost, std::function<void(Team&)> kernel);

}  // namespace cpu

/// An operation on every kind of device.
struct Kernels {
  /// Runs later, as with cpu::launch.
  std::function<void(cpu::Team&)> cpu;
  /// Called at once, with the device current: launches what there is to do on that stream of CUDA.
  /// What it throws is thrown.
  std::function<void(CUstream_st* stream)> cuda;
};

/// Enqueues the one of the kernels that fits the stream's device, or only accounts for `cost` on a
/// meta device.  Throws InvalidArgument if there is none for it.  Does not wait.
void launch(Stream& stream, const OpCost& cost, const Kernels& kernels);

}  // namespace lockflight
