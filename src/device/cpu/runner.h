// A thread that runs the tasks of some streams of a CPU device.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "device/cpu/task.h"
#include "device/cpu/team.h"

namespace lockflight::cpu {

class CpuDevice;

class Runner {
 public:
  Runner(CpuDevice& device, int number);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  /// Runs what is left, then ends the thread.
  ~Runner();

  void add(std::shared_ptr<TaskQueue> queue);

  /// Its stream is gone and its thread has ended (one thread per stream only).
  bool retired() const { return asleep_since_.load(std::memory_order_acquire) == kRetired; }
  /// Asleep since a look at all its streams that no ring has outdated.
  bool idle() const;
  /// What its streams' heads wait for, while idle.
  const std::vector<std::string>& blocked() const { return blocked_; }
  /// The action of the first blocked head, or -1; while idle.
  std::int32_t blocked_action() const { return blocked_action_; }

 private:
  // Beyond any epoch.
  static constexpr std::uint64_t kAwake = ~std::uint64_t{0};
  static constexpr std::uint64_t kRetired = kAwake - 1;

  void loop();
  void take_new_queues();
  bool run_some();
  bool run_in_order();
  bool run_by_chance();
  bool try_head(TaskQueue& queue);
  bool run(TaskQueue& queue, Task& task);
  bool run_transfer(TaskQueue& queue, Task& task);
  void drop(TaskQueue& queue, Task& task);
  void sleep(std::uint32_t epoch);
  std::chrono::nanoseconds time_left();
  void delay();

  CpuDevice& device_;
  const std::string name_;
  std::optional<std::mt19937_64> chance_;
  std::unique_ptr<Team> team_;  // made when the first kernel comes
  std::vector<std::shared_ptr<TaskQueue>> queues_;

  std::mutex mutex_;
  std::vector<std::shared_ptr<TaskQueue>> new_queues_;  // guarded by mutex_
  std::atomic<bool> has_new_queues_{false};
  std::atomic<bool> stop_{false};

  std::atomic<std::uint64_t> asleep_since_{kAwake};  // set by Watchdog::mark
  std::vector<std::string>
      blocked_;  // written before asleep_since_, read while idle under the watchdog's mutex
  std::int32_t blocked_action_ = -1;
  std::thread thread_;
};

}  // namespace lockflight::cpu
