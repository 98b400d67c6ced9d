// A device with shapes and no memory: operations check their arguments, add up their cost and do
// nothing.

#pragma once

#include <memory>

#include "lockflight/device/device.h"
#include "lockflight/device/launch.h"

namespace lockflight {

/// What was launched on a meta device since it was made or last taken.
struct OpTotals {
  double flops = 0;
  double bytes_moved = 0;
  std::int64_t launches = 0;
};

std::unique_ptr<Device> make_meta_device();

/// Returns the totals of a meta device and starts again from zero.  Throws InvalidArgument on
/// another kind of device.
OpTotals take_totals(Device& meta);

}  // namespace lockflight
