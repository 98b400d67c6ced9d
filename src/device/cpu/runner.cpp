#include "device/cpu/runner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "device/cpu/cpu_device.h"
#include "lockflight/core/error.h"

namespace lockflight::cpu {
namespace {

using Clock = std::chrono::steady_clock;

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 14 does not find it by itself

std::uint64_t runner_seed(const CpuDeviceOptions& options, int device, int runner) {
  return *options.chaos_seed * 0x9E3779B97F4A7C15U + static_cast<std::uint64_t>(device) * 1000U +
         static_cast<std::uint64_t>(runner);
}

}  // namespace

Runner::Runner(CpuDevice& device, int number)
    : device_(device), name_(fmt::format("rank {}", device.number())) {
  if (device.options().chaos_seed) {
    chance_.emplace(runner_seed(device.options(), device.number(), number));
  }
  thread_ = std::thread([this] { loop(); });
}

Runner::~Runner() {
  stop_.store(true, std::memory_order_release);
  device_.doorbell().ring();
  thread_.join();
}

void Runner::add(std::shared_ptr<TaskQueue> queue) {
  const std::scoped_lock lock(mutex_);
  new_queues_.push_back(std::move(queue));
  has_new_queues_.store(true, std::memory_order_release);
}

void Runner::take_new_queues() {
  if (has_new_queues_.load(std::memory_order_acquire)) {
    const std::scoped_lock lock(mutex_);
    std::ranges::move(new_queues_, std::back_inserter(queues_));
    new_queues_.clear();
    has_new_queues_.store(false, std::memory_order_release);
    // Transfers first: a rank that has something to send must not let its neighbour wait for a
    // kernel.
    std::ranges::stable_sort(
        queues_, {}, [](const auto& q) { return q->role() == StreamRole::transfer ? 0 : 1; });
  }
}

void Runner::loop() {
  while (true) {
    const std::uint32_t epoch = device_.doorbell().epoch();
    take_new_queues();
    if (run_some()) {
      continue;
    }
    const bool had_queues = !queues_.empty();
    std::erase_if(queues_, [](const auto& queue) { return queue->finished(); });
    if (had_queues && queues_.empty() && device_.options().mode == StreamMode::threads) {
      device_.watchdog().mark(asleep_since_, kRetired);
      return;
    }
    if (stop_.load(std::memory_order_acquire)) {
      return;
    }
    sleep(epoch);
  }
}

bool Runner::run_some() { return chance_ ? run_by_chance() : run_in_order(); }

// Runs ready heads, stream after stream; after a kernel looks at the transfers again.
bool Runner::run_in_order() {
  bool progress = false;
  for (const auto& queue : queues_) {
    for (Task* task = queue->head(); task != nullptr; task = queue->head()) {
      const bool is_kernel = std::holds_alternative<Kernel>(task->work);
      if (!try_head(*queue)) {
        break;
      }
      progress = true;
      if (is_kernel) {
        return true;
      }
    }
  }
  return progress;
}

// One ready head, chosen by the seed, after a delay chosen by the seed.
bool Runner::run_by_chance() {
  std::vector<TaskQueue*> candidates;
  for (const auto& queue : queues_) {
    if (queue->head() != nullptr) {
      candidates.push_back(queue.get());
    }
  }
  std::ranges::shuffle(candidates, *chance_);
  if (!candidates.empty()) {
    delay();
  }
  return std::ranges::any_of(candidates, [this](TaskQueue* queue) { return try_head(*queue); });
}

// Mostly none, often a little, sometimes long enough for another stream to overtake: up to 2 ms.
void Runner::delay() {
  const std::uint64_t draw = (*chance_)();
  const auto kind = draw % 32;
  if (kind == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds((draw >> 8) % 2000));
  } else if (kind < 8) {
    const auto end = Clock::now() + std::chrono::microseconds((draw >> 8) % 50);
    while (Clock::now() < end) {
      relax();
    }
  }
}

// Runs or drops the head of a queue.  Returns false if it is not ready.
bool Runner::try_head(TaskQueue& queue) {
  Task& task = *queue.head();
  if (device_.failed()) {
    drop(queue, task);
  } else {
    try {
      if (!run(queue, task)) {
        return false;
      }
    } catch (...) {
      device_.fail(std::current_exception(), task.action);
    }
  }
  queue.pop();
  device_.task_done();
  return true;
}

bool Runner::run(TaskQueue& queue, Task& task) {
  return std::visit(
      Overloaded{
          [this](Kernel& kernel) {
            if (!team_) {
              team_ = std::make_unique<Team>(device_.options().threads);
            }
            kernel.run(*team_);
            return true;
          },
          [this, &queue](const Record& record) {
            queue.pass(record);
            device_.record_passed();
            if (device_.options().mode == StreamMode::threads) {
              device_.doorbell().ring();
            }
            return true;
          },
          [](const Wait& wait) { return wait.queue->passed(wait.record); },
          [this](const Time& time) {
            *time.nanoseconds = device_.nanoseconds();
            return true;
          },
          [this, &queue, &task](const Transfer&) { return run_transfer(queue, task); },
      },
      task.work);
}

bool Runner::run_transfer(TaskQueue& queue, Task& task) {
  if (std::get<Transfer>(task.work).try_run()) {
    return true;
  }
  if (!queue.waiting_since) {
    queue.waiting_since = Clock::now();
  }
  return false;
}

// After a failure nothing runs any more, but nobody may wait in vain.
void Runner::drop(TaskQueue& queue, Task& task) {
  if (const Record* record = std::get_if<Record>(&task.work)) {
    queue.pass(*record);
    device_.record_passed();
  }
}

// How long the transfer that waits longest may still wait; fails the device if it has waited too
// long.
std::chrono::nanoseconds Runner::time_left() {
  std::chrono::nanoseconds left = std::chrono::hours(1);
  for (const auto& queue : queues_) {
    if (!queue->waiting_since) {
      continue;
    }
    const auto deadline = device_.options().deadline;
    const auto until = *queue->waiting_since + deadline;
    left = std::min<std::chrono::nanoseconds>(left, until - Clock::now());
    if (left <= std::chrono::nanoseconds::zero()) {
      const Task& task = *queue->head();
      device_.fail(std::make_exception_ptr(TransportError(
                       fmt::format("{} had no answer within {} ms",
                                   std::get<Transfer>(task.work).describe(), deadline.count()))),
                   task.action);
      return std::chrono::nanoseconds::zero();
    }
  }
  return left;
}

void Runner::sleep(std::uint32_t epoch) {
  Doorbell& doorbell = device_.doorbell();
  if (doorbell.wait_past(epoch, device_.spins(), std::chrono::nanoseconds::zero())) {
    return;
  }
  const auto left = time_left();
  blocked_.clear();
  blocked_action_ = -1;
  for (const auto& queue : queues_) {
    Task* task = queue->head();
    if (task != nullptr && std::holds_alternative<Transfer>(task->work)) {
      blocked_.push_back(fmt::format("{}: {}", name_, std::get<Transfer>(task->work).describe()));
      blocked_action_ = blocked_action_ < 0 ? task->action : blocked_action_;
    }
  }
  device_.watchdog().mark(asleep_since_, epoch);
  device_.watchdog().check();
  doorbell.wait_past(epoch, 0, left);
  device_.watchdog().mark(asleep_since_, kAwake);
}

bool Runner::idle() const {
  return retired() || asleep_since_.load(std::memory_order_acquire) == device_.doorbell().epoch();
}

}  // namespace lockflight::cpu
