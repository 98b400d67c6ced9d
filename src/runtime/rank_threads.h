// One host thread per rank.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "lockflight/comm/world.h"

namespace lockflight::runtime {

/// Calls happen one at a time, from one thread.
class RankThreads {
 public:
  explicit RankThreads(World& world);
  ~RankThreads();
  RankThreads(const RankThreads&) = delete;
  RankThreads& operator=(const RankThreads&) = delete;

  /// What one rank's work threw.
  struct Failure {
    int rank;
    std::exception_ptr error;
  };

  /// Calls work(rank) on every rank's thread, then synchronises the rank's device.  The first rank
  /// that fails aborts the others.  Waits for all; returns the failures in the order in which they
  /// came.
  std::vector<Failure> run(const std::function<void(int rank)>& work);

 private:
  void loop(int rank);
  void run_one(int rank);

  World& world_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(int)>* work_ = nullptr;  // all below guarded by mutex_
  std::uint64_t round_ = 0;
  int unfinished_ = 0;
  bool stop_ = false;
  std::vector<Failure> failures_;
  // A rank is parked from the end of its work to the start of the next round, which begins for all
  // ranks at once: else a rank that has not woken yet would seem to have nothing more to give.
  std::vector<std::unique_ptr<HostParked>> parked_;
  std::vector<std::thread> threads_;
};

}  // namespace lockflight::runtime
