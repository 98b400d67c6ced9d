// What a model's layers will cost on a device that need not be here.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/plan/device_profile.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/profile.h"

namespace lockflight::plan {

/// The time of a function is the sum over its launches of
///   launch_seconds + max(flops / (rate · flops_share), bytes / (bytes_per_second · bytes_share))
/// (the roofline of Williams, Waterman, Patterson 2009, CACM 52(4)).
///   layers   what dry_run gave for micro-batches of `rows` rows
Profile estimate_profile(const std::vector<LayerProfile>& layers, std::int64_t rows,
                         const DeviceProfile& device);

}  // namespace lockflight::plan
