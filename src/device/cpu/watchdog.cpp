#include "device/cpu/watchdog.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "device/cpu/cpu_device.h"
#include "lockflight/core/error.h"

namespace lockflight::cpu {

void Watchdog::join(CpuDevice& device) {
  const std::scoped_lock lock(mutex_);
  devices_.push_back(&device);
}

void Watchdog::leave(CpuDevice& device) {
  const std::scoped_lock lock(mutex_);
  std::erase(devices_, &device);
}

void Watchdog::mark(std::atomic<std::uint64_t>& asleep_since, std::uint64_t value) {
  const std::scoped_lock lock(mutex_);
  asleep_since.store(value, std::memory_order_release);
}

void Watchdog::check() {
  const std::scoped_lock lock(mutex_);
  const auto all_idle = [this] {
    return std::ranges::all_of(devices_, [](CpuDevice* d) { return d->idle(); });
  };
  // What is outstanding may have been enqueued since the devices were looked at: then a host is no
  // longer parked, or has rung, and no runner can fall asleep again before this ends.
  if (!all_idle() ||
      std::ranges::none_of(devices_, [](CpuDevice* d) { return d->outstanding(); }) ||
      !all_idle()) {
    return;
  }
  std::vector<std::string> blocked;
  for (CpuDevice* device : devices_) {
    std::ranges::move(device->blocked(), std::back_inserter(blocked));
  }
  const auto error = std::make_exception_ptr(TransportError(fmt::format(
      "nobody can ever arrive: every rank waits for another: {}", fmt::join(blocked, "; "))));
  for (CpuDevice* device : devices_) {
    device->fail_blocked(error);
  }
}

}  // namespace lockflight::cpu
