#include "device/cpu/team.h"

#include <limits>
#include <utility>

#include <fmt/core.h>

#include "lockflight/core/error.h"

namespace lockflight::cpu {
namespace {

// Spinning this often takes 20 to 50 µs, about what waking a sleeper costs.
constexpr int kTeamSpins = 2000;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
bool spin_until(Condition condition) {
  for (int spin = 0; spin < kTeamSpins; ++spin) {
    if (condition()) {
      return true;
    }
    pause();
  }
  return false;
}

constexpr std::uint64_t kPieces = std::numeric_limits<std::uint32_t>::max();

}  // namespace

Team::Team(int threads) {
  if (threads < 1) {
    throw InvalidArgument(
        fmt::format("team: {} threads cannot compute anything; ask for at least 1", threads));
  }
  helpers_.reserve(static_cast<std::size_t>(threads) - 1);
  for (int helper = 1; helper < threads; ++helper) {
    helpers_.emplace_back([this] { help(); });
  }
}

Team::~Team() {
  stop_.store(true);
  call_.fetch_add(1);
  call_.notify_all();
  for (std::thread& helper : helpers_) {
    helper.join();
  }
}

void Team::parallel_for(std::int64_t count, FunctionRef<void(std::int64_t)> body) {
  if (helpers_.empty() || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) {
      body(i);
    }
    return;
  }
  if (count > static_cast<std::int64_t>(kPieces)) {
    throw InvalidArgument(
        fmt::format("team: {} pieces of work are more than {}; cut it coarser", count, kPieces));
  }
  count_ = count;
  body_ = &body;
  unfinished_.store(static_cast<std::uint32_t>(count), std::memory_order_relaxed);
  const std::uint32_t call = call_.load(std::memory_order_relaxed) + 1;
  left_.store((std::uint64_t{call} << 32) | static_cast<std::uint64_t>(count),
              std::memory_order_release);
  call_.store(call);
  call_.notify_all();

  while (work()) {
  }
  const auto finished = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  while (!spin_until(finished)) {
    const std::uint32_t unfinished = unfinished_.load(std::memory_order_acquire);
    if (unfinished != 0) {
      unfinished_.wait(unfinished, std::memory_order_acquire);
    }
  }
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Team::help() {
  while (!stop_.load()) {
    const std::uint32_t call = call_.load();
    while (work()) {
    }
    const auto called = [this, call] { return call_.load() != call; };
    if (!spin_until(called)) {
      call_.wait(call);
    }
  }
}

// Takes one piece and computes it; false if none is left.
bool Team::work() {
  std::uint64_t left = left_.load(std::memory_order_acquire);
  do {
    if ((left & kPieces) == 0) {
      return false;
    }
  } while (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire));
  run(count_ - static_cast<std::int64_t>(left & kPieces));
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    unfinished_.notify_one();
  }
  return true;
}

void Team::run(std::int64_t index) {
  try {
    (*body_)(index);
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_ || index < failed_index_) {
      failure_ = std::current_exception();
      failed_index_ = index;
    }
  }
}

}  // namespace lockflight::cpu
