#include "tools/device_choice.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {

DeviceChoice choose_device(const std::string& name, const CudaSupport& support) {
  if (name == "cuda" && !support.usable()) {
    throw DeviceError(fmt::format("--device cuda: {}, or use --device cpu", support.why_not));
  }
  if (support.usable()) {
    return {.kind = DeviceKind::cuda};
  }
  return {.why = "runs on the CPU: " + support.why_not};
}

DeviceChoice choose_device(const std::string& name) {
  return name == "cpu" ? DeviceChoice() : choose_device(name, cuda_support());
}

}  // namespace lockflight::tools
