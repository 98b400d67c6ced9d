// Knows when the devices of one process can never make progress again.
//
// A device is idle when its host thread is parked and all its runners sleep, each having looked at
// its streams after the last ring of the device's doorbell.  Whatever could make a task ready rings
// a doorbell, so when all devices are idle at one moment and one of them still has tasks, nobody
// can ever arrive.

#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace lockflight::cpu {

class CpuDevice;

class Watchdog {
 public:
  void join(CpuDevice& device);
  void leave(CpuDevice& device);

  /// Looks whether all devices are idle; if so and something is left to do, lets them all fail.
  void check();

  /// Marks a runner asleep, awake or retired, never in the middle of a check: a runner that made
  /// another one's task ready and then fell asleep would let both be seen idle, the other one
  /// before and itself after.
  void mark(std::atomic<std::uint64_t>& asleep_since, std::uint64_t value);

 private:
  std::mutex mutex_;
  std::vector<CpuDevice*> devices_;
};

}  // namespace lockflight::cpu
