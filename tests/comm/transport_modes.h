// The transports that there are, as values for tests, and what tests of them share.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "backend.h"
#include "lockflight/comm/world.h"

namespace lockflight::test {

struct TransportMode {
  std::string name;
  StreamMode streams = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed;
  DeviceKind device = DeviceKind::cpu;
  CudaTransport transport = CudaTransport::automatic;
};

inline void PrintTo(const TransportMode& mode, std::ostream* out) { *out << mode.name; }

inline std::vector<TransportMode> cpu_modes() {
  return {{"worker", StreamMode::worker, {}},
          {"threads", StreamMode::threads, {}},
          {"chaos_worker", StreamMode::worker, 11},
          {"chaos_threads", StreamMode::threads, 12}};
}

inline std::vector<TransportMode> all_modes() {
  std::vector<TransportMode> modes = cpu_modes();
  modes.push_back(
      {.name = "cuda_nccl", .device = DeviceKind::cuda, .transport = CudaTransport::nccl});
  modes.push_back({.name = "cuda_in_process",
                   .device = DeviceKind::cuda,
                   .transport = CudaTransport::in_process});
  return modes;
}

inline World make_world(int ranks, const TransportMode& mode,
                        std::chrono::milliseconds deadline = std::chrono::minutes(1)) {
  return World::threads({.ranks = ranks,
                         .streams = mode.streams,
                         .chaos_seed = mode.chaos_seed,
                         .deadline = deadline,
                         .device = mode.device,
                         .cuda_transport = mode.transport});
}

// Waits, so that the values need not outlive the call.
inline Tensor upload(Stream& stream, const std::vector<float>& values) {
  Tensor tensor = stream.device().empty({{static_cast<std::int64_t>(values.size())}, DType::f32});
  stream.upload(tensor, values.data());
  stream.device().synchronize();
  return tensor;
}

inline std::string message_of(Device& device) {
  try {
    device.synchronize();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no failure";
}

// Calls work(rank) on a thread per rank and waits for all.
inline void on_ranks(int ranks, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back(work, rank);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace lockflight::test
