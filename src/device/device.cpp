#include "lockflight/device/device.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight {

std::string_view name_of(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::cpu:
      return "cpu";
    case DeviceKind::cuda:
      return "cuda";
    case DeviceKind::meta:
      return "meta";
  }
  return "?";
}

std::string Device::why_no_graph() const {
  return fmt::format("a {} device has no CUDA graphs; use GPUs", name_of(kind()));
}

std::unique_ptr<Graph> Device::capture(std::span<Stream* const> /*streams*/,
                                       const std::function<void()>& /*work*/) {
  throw DeviceError("capture: " + why_no_graph());
}

Tensor Device::empty(const TensorSpec& spec) {
  const std::size_t bytes = spec.bytes();
  if (planned_ != nullptr) {
    std::byte* data = planned_->take(bytes);
    std::shared_ptr<void> storage(
        data, [planned = planned_, bytes](void* /*memory*/) noexcept { planned->release(bytes); });
    return {std::move(storage), TensorView(data, spec)};
  }
  std::byte* data = allocate(bytes);
  std::shared_ptr<void> storage(data, [this, bytes](void* memory) noexcept {
    release(static_cast<std::byte*>(memory), bytes);
  });
  return {std::move(storage), TensorView(data, spec)};
}

}  // namespace lockflight
