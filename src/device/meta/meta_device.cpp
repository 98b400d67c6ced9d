#include "lockflight/device/meta_device.h"

#include <algorithm>

#include "device/meta/meta_device.h"
#include "lockflight/core/error.h"

namespace lockflight {
namespace meta {
namespace {

class MetaEvent final : public Event {};

}  // namespace

std::unique_ptr<Event> MetaDevice::make_event() { return std::make_unique<MetaEvent>(); }

std::unique_ptr<Stream> MetaDevice::make_stream(StreamRole /*role*/) {
  return std::make_unique<MetaStream>(*this);
}

std::byte* MetaDevice::allocate(std::size_t bytes) {
  memory_.in_use_bytes += bytes;
  memory_.peak_bytes = std::max(memory_.peak_bytes, memory_.in_use_bytes);
  // Addresses that nobody may touch, apart from each other, so that views and slices work.
  const std::uintptr_t address = next_address_;
  next_address_ += (bytes + kAlignment) / kAlignment * kAlignment;
  return reinterpret_cast<std::byte*>(address);
}

void MetaDevice::release(std::byte* /*data*/, std::size_t bytes) noexcept {
  memory_.in_use_bytes -= bytes;
}

void MetaDevice::account(const OpCost& cost) {
  totals_.flops += cost.flops;
  totals_.bytes_moved += cost.bytes_moved;
  ++totals_.launches;
}

OpTotals MetaDevice::take_totals() { return std::exchange(totals_, {}); }

}  // namespace meta

std::unique_ptr<Device> make_meta_device() { return std::make_unique<meta::MetaDevice>(); }

OpTotals take_totals(Device& device) {
  if (device.kind() != DeviceKind::meta) {
    throw InvalidArgument("take_totals: only a meta device adds up what is launched on it");
  }
  return static_cast<meta::MetaDevice&>(device).take_totals();
}

}  // namespace lockflight
