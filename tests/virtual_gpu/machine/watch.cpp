// The machine's own thread: runs what nobody else runs, and finds deadlocks.
//
// It is a deadlock if for the machine's patience nothing could run, nothing was enqueued, somebody
// waited, and no other thread of the process was seen running, which might have been about to
// enqueue something.

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "virtual_gpu/machine/machine.h"
#include "virtual_gpu/machine/scheduler.h"

namespace virtual_gpu {
namespace {

constexpr std::chrono::milliseconds kPeriod{20};

// Joined at the end of the process.
std::thread& watcher() {
  static auto* const one = new std::thread;
  return *one;
}

}  // namespace

void Scheduler::start_watching() {
  if (watching_) {
    return;
  }
  watching_ = true;
  watcher() = std::thread([this] {
    for (;;) {
      std::this_thread::sleep_for(kPeriod);
      const Lock lock;
      if (!watching_) {
        return;
      }
      watch();
    }
  });
}

void Scheduler::stop_watching() {
  {
    const Lock lock;
    if (!watching_) {
      return;
    }
    watching_ = false;
  }
  watcher().join();
}

void Scheduler::watch() {
  machine_.hosts.tick();
  const bool idle_period = progress_ == seen_progress_;
  if (idle_period) {
    pump(64);
  }
  const bool running = std::ranges::any_of(streams_, [](const Stream* stream) {
    return !stream->queue.empty() && stream->queue.front()->state == Operation::State::running;
  });
  if (progress_ != seen_progress_ || running || !machine_.hosts.anyone_waits() ||
      machine_.hosts.others_run()) {
    quiet_ = {};
  } else {
    quiet_ += kPeriod;
  }
  seen_progress_ = progress_;
  if (quiet_ >= machine_.config.patience) {
    declare_deadlock();
  }
}

void Scheduler::declare_deadlock() {
  machine_.report("deadlock", "nothing can run, and everybody waits:\n" + wait_graph());
  for (Stream* stream : streams_) {
    if (!stream->queue.empty()) {
      abandon(*stream, cudaErrorLaunchTimeout);
    }
  }
  for (const Extension& extension : extensions_) {
    extension.deadlocked();
  }
  ++deadlocks_;
  quiet_ = {};
}

std::string Scheduler::waits_for(const Operation& operation) {
  if (operation.state == Operation::State::started && operation.waits_for) {
    return operation.waits_for();
  }
  std::string text;
  for (const auto* awaited : {&operation.after, &operation.behind}) {
    for (const OperationPointer& before : *awaited) {
      if (before->state != Operation::State::done) {
        text += (text.empty() ? "" : ", ") + Machine::describe(*before);
      }
    }
  }
  return text.empty() ? "nothing" : text;
}

std::string Scheduler::wait_graph() const {
  std::string text;
  for (const Stream* stream : streams_) {
    if (!stream->queue.empty()) {
      const Operation& head = *stream->queue.front();
      text += fmt::format("  {} waits for {}; {} more wait behind it\n", Machine::describe(head),
                          waits_for(head), stream->queue.size() - 1);
    }
  }
  for (const std::string& line : machine_.hosts.describe()) {
    text += "  " + line + "\n";
  }
  return text;
}

}  // namespace virtual_gpu
