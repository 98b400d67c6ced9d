#include "lockflight/device/launch.h"

#include <fmt/format.h>

#include "device/cuda/enqueue.h"
#include "lockflight/core/error.h"

namespace lockflight {

void launch(Stream& stream, const OpCost& cost, const Kernels& kernels) {
  const DeviceKind kind = stream.device().kind();
  const bool cuda = kind == DeviceKind::cuda;
  if (cuda ? kernels.cuda == nullptr : kernels.cpu == nullptr && kind == DeviceKind::cpu) {
    throw InvalidArgument(fmt::format("{}: there is no kernel for a {} device; give one in Kernels",
                                      cost.name, name_of(kind)));
  }
  if (cuda) {
    cuda::enqueue(stream, kernels.cuda);
  } else {
    cpu::launch(stream, cost, kernels.cpu);
  }
}

}  // namespace lockflight
