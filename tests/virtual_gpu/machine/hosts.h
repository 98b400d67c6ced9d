// The threads of the program under test that use the machine.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <sys/types.h>

namespace virtual_gpu {

/// A thread, from its first call until it ends.
struct HostThread {
  pid_t id = 0;
  int device = 0;                   ///< current
  cudaError_t error = cudaSuccess;  ///< the last one
  /// What it waits for in a call, or what it asked in vain; empty: neither.
  std::string waits;
  std::uint64_t asked = 0;  ///< when it last asked in vain: a number of Hosts::tick
};

class Hosts {
 public:
  /// The calling thread.
  HostThread& current();
  int current_device() { return current().device; }

  /// The thread ends.
  void leave(HostThread* thread);

  /// Marks the calling thread as one that asks, and got no as an answer.
  void ask(std::string what);
  /// The thread does something else than to ask.
  void act() { current().waits.clear(); }

  /// Starts a new period; who has not asked for ten of them does not wait.
  void tick() { ++tick_; }
  bool anyone_waits() const;
  /// Whether a thread of this process runs on that neither waits here nor asked of late.
  bool others_run() const;
  /// "thread 17 polls cudaStreamQuery of device 0 stream 1", one a line.
  std::vector<std::string> describe() const;

 private:
  bool waits(const HostThread& thread) const {
    return !thread.waits.empty() && thread.asked + 10 >= tick_;
  }
  std::vector<HostThread*> threads_;
  std::uint64_t tick_ = 0;
};

}  // namespace virtual_gpu
