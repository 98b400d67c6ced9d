// The CPU backend: see lockflight/device/cpu_device.h.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "device/arena.h"
#include "device/cpu/doorbell.h"
#include "device/cpu/runner.h"
#include "device/cpu/slab.h"
#include "device/cpu/watchdog.h"
#include "lockflight/device/cpu_device.h"

namespace lockflight::cpu {

class CpuDevice final : public Device {
 public:
  CpuDevice(int number, const CpuDeviceOptions& options, int spins,
            std::shared_ptr<Watchdog> watchdog, std::chrono::steady_clock::time_point made);
  ~CpuDevice() override;

  DeviceKind kind() const override { return DeviceKind::cpu; }
  std::unique_ptr<Stream> make_stream(StreamRole role) override;
  std::unique_ptr<Event> make_event() override { return std::make_unique<CpuEvent>(); }
  void reserve(std::size_t bytes) override { arena_.reserve(bytes); }
  MemoryUse memory() const override { return arena_.use(); }
  void mark(std::int32_t action) override { action_ = action; }
  std::optional<DeviceFailure> failure() const override;
  using Device::fail;
  void fail(std::exception_ptr error, std::int32_t action) override;
  void synchronize() override;
  void synchronize(Event& event) override;

  // For streams: called by the host thread.
  void enqueue(TaskQueue& queue, decltype(Task::work) work);

  // For runners and transports: called by any thread.
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  void task_done();
  void record_passed();
  Doorbell& doorbell() { return doorbell_; }
  int number() const { return number_; }
  int spins() const { return spins_; }
  const CpuDeviceOptions& options() const { return options_; }
  std::int64_t nanoseconds() const;
  void park(bool parked);
  Watchdog& watchdog() { return *watchdog_; }

  // For the watchdog.
  bool idle() const;
  bool outstanding() const { return outstanding_.load(std::memory_order_acquire) != 0; }
  std::vector<std::string> blocked() const;
  void fail_blocked(const std::exception_ptr& error);

 private:
  bool host_waits() const;
  void rethrow_failure() const;

  std::byte* allocate(std::size_t bytes) override { return arena_.allocate(bytes); }
  void release(std::byte* data, std::size_t bytes) noexcept override {
    arena_.release(data, bytes);
  }

  const int number_;
  const CpuDeviceOptions options_;
  const int spins_;
  const std::shared_ptr<Watchdog> watchdog_;
  const std::chrono::steady_clock::time_point made_;  // of all devices of the group: one clock
  Arena arena_{huge_page_slabs()};
  std::int32_t action_ = -1;

  Doorbell doorbell_;  // something may have become ready
  Doorbell drained_;   // nothing is outstanding, or what the host awaits has been passed
  std::atomic<std::int64_t> outstanding_{0};
  std::atomic<int> parked_{0};
  std::atomic<bool> synchronizing_{false};
  std::atomic<bool> awaiting_{false};  // the host waits for awaited_
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::optional<DeviceFailure> failure_;  // guarded by mutex_
  std::optional<Wait> awaited_;           // guarded by mutex_

  mutable std::mutex runners_mutex_;
  int next_runner_ = 0;  // guarded by runners_mutex_
  std::vector<std::unique_ptr<Runner>>
      runners_;  // guarded by runners_mutex_; last: ends before what it uses
};

class CpuStream final : public Stream {
 public:
  CpuStream(CpuDevice& device, std::shared_ptr<TaskQueue> queue);
  ~CpuStream() override;

  CpuDevice& device() override { return device_; }
  void record(Event& event) override;
  void wait(Event& event) override;
  void time(std::int64_t* nanoseconds) override;
  void upload(const TensorView& to, const void* from) override;
  void download(void* to, const TensorView& from) override;

  void enqueue(decltype(Task::work) work) { device_.enqueue(*queue_, std::move(work)); }

 private:
  CpuDevice& device_;
  std::shared_ptr<TaskQueue> queue_;
  std::uint64_t records_ = 0;
};

}  // namespace lockflight::cpu
