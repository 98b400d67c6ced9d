// The CPU as a device.
//
// A stream is an in-order queue of tasks.  Who runs the tasks is a mode of the device, and no
// program can tell:
//   worker   one thread runs, of the heads of all streams, those that are ready (fast; the default)
//   threads  one thread per stream (a forgotten wait is then a data race that ThreadSanitizer can
//   see)
// In either mode a chaos seed makes the choice among ready heads random and puts random delays
// before tasks.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/device/device.h"

namespace lockflight {

enum class StreamMode : std::uint8_t { worker, threads };

struct CpuDeviceOptions {
  StreamMode mode = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed = std::nullopt;
  /// Threads that share the work of one operation.  Results do not depend on it.
  int threads = 1;
  /// How long a transfer may wait for its partner before the device fails.
  std::chrono::milliseconds deadline = std::chrono::minutes(5);
};

/// Devices whose streams can wait for each other: the ranks of one process.  Makes one device per
/// rank.  When every one of them waits for another and none of their host threads can enqueue
/// anything more, all of them fail at once with a TransportError that lists who waits for what.
std::vector<std::unique_ptr<Device>> make_cpu_devices(int count, const CpuDeviceOptions& options);

/// A single device.
std::unique_ptr<Device> make_cpu_device(const CpuDeviceOptions& options = {});

/// While it lives, says that the device's host thread will enqueue nothing (it waits for other
/// ranks, or for its next order).  Only that makes the verdict "nobody can ever arrive" possible.
/// No effect on other kinds of device.
class HostParked {
 public:
  explicit HostParked(Device& device);
  ~HostParked();
  HostParked(const HostParked&) = delete;
  HostParked& operator=(const HostParked&) = delete;

 private:
  Device& device_;
};

}  // namespace lockflight
