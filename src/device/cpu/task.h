// What a CPU stream consists of.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "device/cpu/team.h"
#include "lockflight/device/device.h"

namespace lockflight::cpu {

/// `recorded` counts the host's records, `reached` those that the device has passed.
class CpuEvent final : public Event {
 public:
  std::uint64_t recorded = 0;
  std::atomic<std::uint64_t> reached{0};
};

struct Kernel {
  std::function<void(Team&)> run;
};

struct Record {
  CpuEvent* event;
  std::uint64_t generation;
};

struct Wait {
  CpuEvent* event;
  std::uint64_t generation;
};

struct Time {
  std::int64_t* nanoseconds;
};

/// Something that needs a partner: not a blocking call, but a task that is tried until it says that
/// it is done.
struct Transfer {
  std::function<bool()> try_run;
  std::function<std::string()> describe;  ///< "recv of 4,096 bytes from rank 0 on channel 1"
};

struct Task {
  std::variant<Kernel, Record, Wait, Time, Transfer> work;
  std::int32_t action;
};

/// The tasks of one stream: one thread adds, one takes.
class TaskQueue {
 public:
  explicit TaskQueue(StreamRole role) : role_(role) {}

  StreamRole role() const { return role_; }

  void push(Task task);
  /// No more tasks will come.
  void close() { closed_.store(true, std::memory_order_release); }

  /// The oldest task, or null.  Stays where it is until `pop`.  Called by the taking thread, as are
  /// those below.
  Task* head();
  void pop();
  bool finished() { return closed_.load(std::memory_order_acquire) && head() == nullptr; }
  /// Since when the head has been waiting for a partner; set by the taking thread, cleared by
  /// `pop`.
  std::optional<std::chrono::steady_clock::time_point> waiting_since;

 private:
  const StreamRole role_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::vector<Task> added_;             // guarded by mutex_
  std::atomic<bool> has_added_{false};  // lets `head` skip the mutex
  std::vector<Task> taken_;
  std::size_t next_ = 0;
};

}  // namespace lockflight::cpu
