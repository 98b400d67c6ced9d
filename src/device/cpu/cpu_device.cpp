#include "device/cpu/cpu_device.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight {
namespace cpu {
namespace {

// About 40 µs: as long as waking a sleeping thread takes.
constexpr int kSpins = 3000;

}  // namespace

CpuDevice::CpuDevice(int number, const CpuDeviceOptions& options, int spins,
                     std::shared_ptr<Watchdog> watchdog, std::chrono::steady_clock::time_point made)
    : number_(number),
      options_(options),
      spins_(spins),
      watchdog_(std::move(watchdog)),
      made_(made) {
  if (options_.mode == StreamMode::worker) {
    runners_.push_back(std::make_unique<Runner>(*this, 0));
  }
  watchdog_->join(*this);
}

CpuDevice::~CpuDevice() { watchdog_->leave(*this); }

std::unique_ptr<Stream> CpuDevice::make_stream(StreamRole role) {
  auto queue = std::make_shared<TaskQueue>(role);
  const std::scoped_lock lock(runners_mutex_);
  if (options_.mode == StreamMode::threads) {
    std::erase_if(runners_, [](const auto& runner) { return runner->retired(); });
    runners_.push_back(std::make_unique<Runner>(*this, next_runner_++));
  }
  runners_.back()->add(queue);
  return std::make_unique<CpuStream>(*this, std::move(queue));
}

void CpuDevice::enqueue(TaskQueue& queue, decltype(Task::work) work) {
  outstanding_.fetch_add(1, std::memory_order_acq_rel);
  queue.push({std::move(work), action_});
  doorbell_.ring();
}

void CpuDevice::task_done() {
  if (outstanding_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    drained_.ring();
  }
}

void CpuDevice::synchronize() {
  synchronizing_.store(true, std::memory_order_release);
  watchdog_->check();
  while (true) {
    const std::uint32_t epoch = drained_.epoch();
    if (!outstanding()) {
      break;
    }
    drained_.wait_past(epoch, 0, std::chrono::hours(1));
  }
  synchronizing_.store(false, std::memory_order_release);
  rethrow_failure();
}

void CpuDevice::synchronize(Event& event) {
  const auto& cpu_event = static_cast<const CpuEvent&>(event);
  if (cpu_event.queue) {
    {
      const std::scoped_lock lock(mutex_);
      awaited_ = Wait{cpu_event.queue, cpu_event.record};
    }
    awaiting_.store(true);
    watchdog_->check();
    while (true) {
      const std::uint32_t epoch = drained_.epoch();
      if (cpu_event.queue->passed(cpu_event.record)) {
        break;
      }
      drained_.wait_past(epoch, spins_, std::chrono::hours(1));
    }
    awaiting_.store(false);
    const std::scoped_lock lock(mutex_);
    awaited_.reset();
  }
  rethrow_failure();
}

// Either this sees that the host waits, or the host sees that the record is passed.
void CpuDevice::record_passed() {
  if (awaiting_.load()) {
    drained_.ring();
  }
}

void CpuDevice::rethrow_failure() const {
  if (const auto first = failure()) {
    std::rethrow_exception(first->error);
  }
}

std::optional<DeviceFailure> CpuDevice::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

void CpuDevice::fail(std::exception_ptr error, std::int32_t action) {
  {
    const std::scoped_lock lock(mutex_);
    if (failure_) {
      return;
    }
    failure_ = DeviceFailure{std::move(error), action};
    failed_.store(true, std::memory_order_release);
  }
  doorbell_.ring();
}

std::int64_t CpuDevice::nanoseconds() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                              made_)
      .count();
}

void CpuDevice::park(bool parked) {
  parked_.fetch_add(parked ? 1 : -1, std::memory_order_acq_rel);
  if (parked) {
    watchdog_->check();
  }
}

// A host thread in `synchronize` comes back as soon as nothing is outstanding, or the event is
// reached.
bool CpuDevice::host_waits() const {
  if (parked_.load(std::memory_order_acquire) > 0 ||
      (synchronizing_.load(std::memory_order_acquire) && outstanding())) {
    return true;
  }
  const std::scoped_lock lock(mutex_);
  return awaited_ && !awaited_->queue->passed(awaited_->record);
}

bool CpuDevice::idle() const {
  if (!host_waits()) {
    return false;
  }
  const std::scoped_lock lock(runners_mutex_);
  return std::ranges::all_of(runners_, [](const auto& runner) { return runner->idle(); });
}

std::vector<std::string> CpuDevice::blocked() const {
  const std::scoped_lock lock(runners_mutex_);
  std::vector<std::string> blocked;
  for (const auto& runner : runners_) {
    std::ranges::copy(runner->blocked(), std::back_inserter(blocked));
  }
  return blocked;
}

void CpuDevice::fail_blocked(const std::exception_ptr& error) {
  std::int32_t action = -1;
  {
    const std::scoped_lock lock(runners_mutex_);
    for (const auto& runner : runners_) {
      action = std::max(action, runner->blocked_action());
    }
  }
  fail(error, action);
}

}  // namespace cpu

std::vector<std::unique_ptr<Device>> make_cpu_devices(int count, const CpuDeviceOptions& options) {
  if (count < 1 || options.threads < 1 || options.deadline <= std::chrono::milliseconds::zero()) {
    throw InvalidArgument(
        fmt::format("cpu devices: {} devices with {} threads each and a deadline of {} "
                    "ms; all three must be at least 1",
                    count, options.threads, options.deadline.count()));
  }
  // A waiting thread spins only if every working thread has a core.
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const bool crowded =
      static_cast<unsigned>(count) * static_cast<unsigned>(options.threads) > cores ||
      options.mode == StreamMode::threads;
  auto watchdog = std::make_shared<cpu::Watchdog>();
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < count; ++i) {
    devices.push_back(
        std::make_unique<cpu::CpuDevice>(i, options, crowded ? 0 : cpu::kSpins, watchdog, now));
  }
  return devices;
}

std::unique_ptr<Device> make_cpu_device(const CpuDeviceOptions& options) {
  return std::move(make_cpu_devices(1, options).front());
}

HostParked::HostParked(Device& device) : device_(device) {
  if (device_.kind() == DeviceKind::cpu) {
    static_cast<cpu::CpuDevice&>(device_).park(true);
  }
}

HostParked::~HostParked() {
  if (device_.kind() == DeviceKind::cpu) {
    static_cast<cpu::CpuDevice&>(device_).park(false);
  }
}

}  // namespace lockflight
