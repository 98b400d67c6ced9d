// The door for operations: how a kernel gets onto a stream.
//
// Every operation, the library's own and a user's, is enqueued here with its name and cost, so that
// the meta device can cost a model by running it with shapes alone.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "lockflight/device/device.h"

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
}  // namespace lockflight
