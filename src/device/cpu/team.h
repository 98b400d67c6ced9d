// The threads that compute one rank's operations on a CPU.
//
// Work is cut into pieces by its shape alone and every piece is computed whole by one thread, so
// the number of threads never changes a result. One thread at a time may call parallel_for; it
// works too. Between calls the helpers spin for some tens of microseconds, then sleep.

#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "device/cpu/function_ref.h"

namespace lockflight::cpu {

class Team {
 public:
  /// Starts threads - 1 helpers.  Throws InvalidArgument if threads < 1.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(helpers_.size()) + 1; }

  /// Calls body(i) once for every i in 0 … count - 1, on this thread and the helpers, in any order,
  /// and returns when all have returned.  If bodies throw, the exception of the smallest i is
  /// rethrown once all are done.  Throws InvalidArgument if count is 2^32 or more.
  void parallel_for(std::int64_t count, FunctionRef<void(std::int64_t)> body);

 private:
  void help();
  bool work();
  void run(std::int64_t index);

  // What is left of the current call: its number modulo 2^32 in the high half, so that a helper
  // that is late by a whole call cannot take a piece of the next one by an old reading; in the low
  // half the pieces nobody has taken yet.
  std::atomic<std::uint64_t> left_{0};
  std::atomic<std::uint32_t> call_{0};  // what helpers sleep on
  std::atomic<std::uint32_t> unfinished_{0};
  std::atomic<bool> stop_{false};

  // Written before left_ announces a call, read only by who has taken a piece of it.
  std::int64_t count_ = 0;
  const FunctionRef<void(std::int64_t)>* body_ = nullptr;

  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::int64_t failed_index_ = 0;

  std::vector<std::thread> helpers_;
};

}  // namespace lockflight::cpu
