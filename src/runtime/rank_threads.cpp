#include "runtime/rank_threads.h"

#include <utility>

#include <fmt/format.h>

namespace lockflight::runtime {
namespace {

std::string what_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace

RankThreads::RankThreads(World& world) : world_(world) {
  for (int rank = 0; rank < world.ranks(); ++rank) {
    parked_.push_back(std::make_unique<HostParked>(world.device(rank)));
  }
  for (int rank = 0; rank < world.ranks(); ++rank) {
    threads_.emplace_back([this, rank] { loop(rank); });
  }
}

RankThreads::~RankThreads() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::vector<RankThreads::Failure> RankThreads::run(const std::function<void(int)>& work) {
  for (auto& parked : parked_) {
    parked.reset();
  }
  std::unique_lock lock(mutex_);
  work_ = &work;
  unfinished_ = world_.ranks();
  ++round_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return unfinished_ == 0; });
  return std::exchange(failures_, {});
}

void RankThreads::loop(int rank) {
  std::uint64_t done = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || round_ != done; });
      if (stop_) {
        return;
      }
      done = round_;
    }
    run_one(rank);
  }
}

void RankThreads::run_one(int rank) {
  Device& device = world_.device(rank);
  std::exception_ptr error;
  try {
    (*work_)(rank);
  } catch (...) {
    error = std::current_exception();
    device.fail(error);  // what was enqueued must not run on with half a step
  }
  try {
    device.synchronize();
  } catch (...) {
    error = std::current_exception();  // the same one, or with more to say, or what came before it
  }
  if (error) {
    {
      const std::scoped_lock lock(mutex_);
      failures_.push_back({rank, error});
    }
    world_.transport(rank).abort(fmt::format("rank {} failed: {}", rank, what_of(error)));
  }
  parked_[rank] = std::make_unique<HostParked>(device);
  const std::scoped_lock lock(mutex_);
  if (--unfinished_ == 0) {
    changed_.notify_all();
  }
}

}  // namespace lockflight::runtime
