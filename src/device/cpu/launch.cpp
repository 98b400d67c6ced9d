#include "lockflight/device/launch.h"

#include <utility>

#include <fmt/format.h>

#include "device/cpu/cpu_device.h"
#include "device/meta/meta_device.h"
#include "lockflight/core/error.h"

namespace lockflight::cpu {

void launch(Stream& stream, const OpCost& cost, std::function<void(Team&)> kernel) {
  const DeviceKind kind = stream.device().kind();
  if (kind == DeviceKind::cpu) {
    static_cast<CpuStream&>(stream).enqueue(Kernel{std::move(kernel)});
  } else if (kind == DeviceKind::meta) {
    static_cast<meta::MetaStream&>(stream).account(cost);
  } else {
    throw InvalidArgument(
        fmt::format("{}: a CPU kernel launched on a {} device", cost.name, name_of(kind)));
  }
}

}  // namespace lockflight::cpu
