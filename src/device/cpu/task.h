// What a CPU stream consists of.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "device/cpu/team.h"
#include "lockflight/device/device.h"

namespace lockflight::cpu {

class TaskQueue;

/// Where its latest record stands: records of a queue are numbered from 1.  Any stream may record
/// it, and it may end before a wait for it has been passed.
class CpuEvent final : public Event {
 public:
  std::shared_ptr<const TaskQueue> queue;  // null until it is recorded
  std::uint64_t record = 0;
};

struct Kernel {
  std::function<void(Team&)> run;
};

struct Record {
  std::uint64_t number;
};

struct Wait {
  std::shared_ptr<const TaskQueue> queue;
  std::uint64_t record;
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

  /// Whether the record with that number, and all before it, have been passed.  From any thread.
  bool passed(std::uint64_t record) const { return passed_.load() >= record; }

  void push(Task task);
  /// No more tasks will come.
  void close() { closed_.store(true, std::memory_order_release); }

  /// The oldest task, or null.  Stays where it is until `pop`.  Called by the taking thread, as are
  /// those below.
  Task* head();
  void pop();
  void pass(const Record& record) { passed_.store(record.number); }
  bool finished() { return closed_.load(std::memory_order_acquire) && head() == nullptr; }
  /// Since when the head has been waiting for a partner; set by the taking thread, cleared by
  /// `pop`.
  std::optional<std::chrono::steady_clock::time_point> waiting_since;

 private:
  const StreamRole role_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> passed_{0};
  std::mutex mutex_;
  std::vector<Task> added_;             // guarded by mutex_
  std::atomic<bool> has_added_{false};  // lets `head` skip the mutex
  std::vector<Task> taken_;
  std::size_t next_ = 0;
};

}  // namespace lockflight::cpu
