// The meta backend: see lockflight/device/meta_device.h.

#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lockflight/device/device.h"
#include "lockflight/device/launch.h"
#include "lockflight/device/meta_device.h"

namespace lockflight::meta {

class MetaDevice final : public Device {
 public:
  explicit MetaDevice(const MetaDeviceOptions& options) : options_(options) {}

  DeviceKind kind() const override { return DeviceKind::meta; }
  std::unique_ptr<Stream> make_stream(StreamRole role) override;
  std::unique_ptr<Event> make_event() override;
  void reserve(std::size_t /*bytes*/) override {}
  MemoryUse memory() const override { return memory_; }
  void mark(std::int32_t action) override { action_ = action; }
  std::optional<DeviceFailure> failure() const override { return std::nullopt; }
  using Device::fail;
  void fail(std::exception_ptr /*error*/, std::int32_t /*action*/) override {}
  void synchronize() override {}
  void synchronize(Event& /*event*/) override {}

  void account(const OpCost& cost);
  OpTotals take_totals();
  std::vector<OpCost> take_operations() { return std::exchange(operations_, {}); }
  std::vector<BufferLife> take_buffers();

 private:
  std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* data, std::size_t bytes) noexcept override;

  const MetaDeviceOptions options_;
  MemoryUse memory_;
  OpTotals totals_;
  std::vector<OpCost> operations_;
  std::int32_t action_ = -1;
  std::int64_t calls_ = 0;
  std::vector<BufferLife> buffers_;
  std::unordered_map<std::byte*, std::size_t> alive_;  // → number in buffers_
  std::uintptr_t next_address_ = kMemoryAlignment;
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
