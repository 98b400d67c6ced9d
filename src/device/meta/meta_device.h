// The meta backend: see lockflight/device/meta_device.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "lockflight/device/device.h"
#include "lockflight/device/launch.h"
#include "lockflight/device/meta_device.h"

namespace lockflight::meta {

class MetaDevice final : public Device {
 public:
  DeviceKind kind() const override { return DeviceKind::meta; }
  std::unique_ptr<Stream> make_stream(StreamRole role) override;
  std::unique_ptr<Event> make_event() override;
  MemoryUse memory() const override { return memory_; }
  void mark(std::int32_t /*action*/) override {}
  std::optional<DeviceFailure> failure() const override { return std::nullopt; }
  using Device::fail;
  void fail(std::exception_ptr /*error*/, std::int32_t /*action*/) override {}
  void synchronize() override {}

  void account(const OpCost& cost);
  OpTotals take_totals();

 private:
  static constexpr std::size_t kAlignment = 64;

  std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* data, std::size_t bytes) noexcept override;

  MemoryUse memory_;
  OpTotals totals_;
  std::uintptr_t next_address_ = kAlignment;
};

class MetaStream final : public Stream {
 public:
  explicit MetaStream(MetaDevice& device) : device_(device) {}

  Device& device() override { return device_; }
  void record(Event& /*event*/) override {}
  void wait(Event& /*event*/) override {}
  void time(std::int64_t* /*nanoseconds*/) override {}
  void upload(const TensorView& /*to*/, const void* /*from*/) override {}
  void download(void* /*to*/, const TensorView& /*from*/) override {}
  void account(const OpCost& cost) { device_.account(cost); }

 private:
  MetaDevice& device_;
};

}  // namespace lockflight::meta
