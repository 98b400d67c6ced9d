#include "device/cuda/stream_clock.h"

#include <cmath>

#include "device/cuda/check.h"

namespace lockflight::cuda {

StreamClock::StreamClock(std::chrono::steady_clock::time_point zero) : zero_(zero) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaEventCreateWithFlags(&base_, cudaEventDefault), "cudaEventCreateWithFlags");
  rebase();
}

StreamClock::~StreamClock() {
  drop();
  for (cudaEvent_t event : unused_) {
    cudaEventDestroy(event);
  }
  cudaEventDestroy(base_);
  cudaStreamDestroy(stream_);
}

void StreamClock::rebase() {
  check(cudaEventRecord(base_, stream_), "cudaEventRecord");
  check(cudaEventSynchronize(base_), "cudaEventSynchronize");
  base_nanoseconds_ =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - zero_)
          .count();
}

void StreamClock::stamp(cudaStream_t stream, std::int64_t* nanoseconds, std::int32_t action) {
  if (unused_.empty()) {
    cudaEvent_t made = nullptr;
    check(cudaEventCreateWithFlags(&made, cudaEventDefault), "cudaEventCreateWithFlags");
    unused_.push_back(made);
  }
  cudaEvent_t event = unused_.back();
  check(cudaEventRecord(event, stream), "cudaEventRecord");
  unused_.pop_back();
  stamps_.push_back({event, nanoseconds, action});
}

void StreamClock::resolve() {
  if (stamps_.empty()) {
    return;
  }
  for (const Stamp& stamp : stamps_) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, base_, stamp.event), "cudaEventElapsedTime");
    *stamp.nanoseconds = base_nanoseconds_ + std::llround(double{milliseconds} * 1e6);
  }
  drop();
  rebase();  // a float of milliseconds is exact to a microsecond for seconds only
}

std::int32_t StreamClock::first_pending() const {
  for (const Stamp& stamp : stamps_) {
    if (cudaEventQuery(stamp.event) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return stamp.action;
    }
  }
  return -1;
}

void StreamClock::drop() {
  for (const Stamp& stamp : stamps_) {
    unused_.push_back(stamp.event);
  }
  stamps_.clear();
}

}  // namespace lockflight::cuda
