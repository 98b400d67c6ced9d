// How a thread sleeps until something happened: a counter that only grows, and a futex on it.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace lockflight::cpu {

/// Reading `epoch`, looking whether there is something to do, and then `wait_past(epoch)` loses no
/// ring in between.
class Doorbell {
 public:
  std::uint32_t epoch() const { return epoch_.load(std::memory_order_seq_cst); }

  /// Wakes everybody who waits.  What the caller wrote before is visible to those who wake.
  void ring();

  /// Waits until the epoch differs from `seen`, at first spinning `spins` times, then asleep; at
  /// most `limit`. Returns false if the limit ran out.
  bool wait_past(std::uint32_t seen, int spins, std::chrono::nanoseconds limit);

 private:
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<std::uint32_t> sleepers_{0};
};

/// Tells the processor that this thread only waits.
void relax();

}  // namespace lockflight::cpu
