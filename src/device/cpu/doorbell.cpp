#include "device/cpu/doorbell.h"

#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lockflight::cpu {
namespace {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
                  sizeof(std::atomic<std::uint32_t>) == 4,
              "the kernel waits on the counter's own word");

// std::atomic::wait has no time limit, so the system call is made here.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                std::chrono::nanoseconds limit) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (limit - seconds).count()};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
}

}  // namespace

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void Doorbell::ring() {
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) {
    ::syscall(SYS_futex, &epoch_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }
}

bool Doorbell::wait_past(std::uint32_t seen, int spins, std::chrono::nanoseconds limit) {
  for (int i = 0; i < spins; ++i) {
    if (epoch() != seen) {
      return true;
    }
    relax();
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (epoch() == seen) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds::zero()) {
      break;
    }
    futex_wait(epoch_, seen, left);
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  return epoch() != seen;
}

}  // namespace lockflight::cpu
