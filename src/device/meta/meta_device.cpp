#include "lockflight/device/meta_device.h"

#include <algorithm>

#include <fmt/format.h>

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
  memory_.take(aligned_bytes(bytes));
  // Addresses that nobody may touch, apart from each other, so that views and slices work.
  const std::uintptr_t address = next_address_;
  next_address_ += aligned_bytes(bytes);
  auto* data = reinterpret_cast<std::byte*>(address);
  if (options_.record_buffers) {
    alive_.emplace(data, buffers_.size());
    buffers_.push_back({.bytes = bytes, .born = calls_++, .action = action_});
  }
  return data;
}

void MetaDevice::release(std::byte* data, std::size_t bytes) noexcept {
  memory_.give_back(aligned_bytes(bytes));
  if (const auto buffer = alive_.find(data); buffer != alive_.end()) {
    buffers_[buffer->second].freed = calls_++;
    buffers_[buffer->second].freed_by = action_;
    alive_.erase(buffer);
  }
}

std::vector<BufferLife> MetaDevice::take_buffers() {
  alive_.clear();
  calls_ = 0;
  return std::exchange(buffers_, {});
}

void MetaDevice::account(const OpCost& cost) {
  totals_.flops += cost.flops;
  totals_.bytes_moved += cost.bytes_moved;
  ++totals_.launches;
  if (options_.record_operations) {
    operations_.push_back(cost);
  }
}

OpTotals MetaDevice::take_totals() { return std::exchange(totals_, {}); }

}  // namespace meta

namespace {

meta::MetaDevice& as_meta(Device& device, std::string_view function) {
  if (device.kind() != DeviceKind::meta) {
    throw InvalidArgument(
        fmt::format("{}: only a meta device records what is asked of it, not a {} device", function,
                    name_of(device.kind())));
  }
  return static_cast<meta::MetaDevice&>(device);
}

}  // namespace

std::unique_ptr<Device> make_meta_device(const MetaDeviceOptions& options) {
  return std::make_unique<meta::MetaDevice>(options);
}

OpTotals take_totals(Device& meta) { return as_meta(meta, "take_totals").take_totals(); }

std::vector<OpCost> take_operations(Device& meta) {
  return as_meta(meta, "take_operations").take_operations();
}

std::vector<BufferLife> take_buffers(Device& meta) {
  return as_meta(meta, "take_buffers").take_buffers();
}

}  // namespace lockflight
