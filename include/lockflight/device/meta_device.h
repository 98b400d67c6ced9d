// A device with shapes and no memory: operations check their arguments, add up their cost and do
// nothing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lockflight/device/device.h"
#include "lockflight/device/launch.h"

namespace lockflight {

/// What was launched on a meta device since it was made or last taken, added up.
struct OpTotals {
  double flops = 0;
  double bytes_moved = 0;
  std::int64_t launches = 0;
};

/// The life of one tensor, in calls that took or gave back memory, counted from 0.
struct BufferLife {
  std::size_t bytes = 0;       ///< as asked for
  std::int64_t born = 0;       ///< the call that took it
  std::int64_t freed = -1;     ///< the call that gave it back; -1 if there was none
  std::int32_t action = -1;    ///< what Device::mark said when it was taken
  std::int32_t freed_by = -1;  ///< what it said when it was given back

  friend bool operator==(const BufferLife&, const BufferLife&) = default;
};

struct MetaDeviceOptions {
  bool record_operations = false;
  bool record_buffers = false;
};

std::unique_ptr<Device> make_meta_device(const MetaDeviceOptions& options = {});

/// Returns the totals of a meta device and starts again from zero.  Throws InvalidArgument on
/// another kind of device.
OpTotals take_totals(Device& meta);
/// What was launched, in order, where the device records it; starts again with nothing.
std::vector<OpCost> take_operations(Device& meta);
/// Every tensor that was asked for, in order, where the device records it; starts again with
/// nothing.
std::vector<BufferLife> take_buffers(Device& meta);

}  // namespace lockflight
