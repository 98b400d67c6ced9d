// lockflight devices: what there is to run on.

#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lockflight/device/cuda_device.h"
#include "tools/console.h"
#include "tools/options.h"

namespace lockflight::tools {

/// The CPU, and the GPUs with driver, memory and links; or why CUDA cannot be used, in a sentence.
void print_devices(const CudaSupport& support, bool json, const Console& console);

void run_devices(const DevicesOptions& options, const Console& console);

/// What print_devices prints as JSON.
nlohmann::ordered_json devices_as_json(const CudaSupport& support);

}  // namespace lockflight::tools
