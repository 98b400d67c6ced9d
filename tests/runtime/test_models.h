// Small models and batches for tests of the runtime.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "backend.h"
#include "lockflight/comm/world.h"
#include "lockflight/core/random.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/schedule/registry.h"
#include "sanitized.h"

namespace lockflight::test {

/// How ranks run: on which devices, and how those order their work.
struct Streams {
  std::string name;
  StreamMode mode = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed;
  DeviceKind device = DeviceKind::cpu;
  CudaTransport transport = CudaTransport::automatic;
};

inline void PrintTo(const Streams& streams, std::ostream* out) { *out << streams.name; }

inline std::vector<Streams> all_streams() {
  return {{"worker", StreamMode::worker, {}},
          {"threads", StreamMode::threads, {}},
          {"chaos_worker", StreamMode::worker, 101},
          {"chaos_threads", StreamMode::threads, 102}};
}

/// The same and GPUs.
inline std::vector<Streams> all_streams_and_gpus() {
  std::vector<Streams> all = all_streams();
  all.push_back(
      {.name = "cuda_nccl", .device = DeviceKind::cuda, .transport = CudaTransport::nccl});
  all.push_back({.name = "cuda_in_process",
                 .device = DeviceKind::cuda,
                 .transport = CudaTransport::in_process});
  return all;
}

/// One rank to compare with: on the same kind of device, and nothing random.
inline Streams plainest(const Streams& streams) { return {.device = streams.device}; }

/// Runs where the devices of its parameter are.
class StreamsTest : public testing::TestWithParam<Streams> {
 protected:
  void SetUp() override { need(GetParam().device); }
};

inline World make_world(int ranks, const Streams& streams, int threads_per_rank = 1) {
  return World::threads({.ranks = ranks,
                         .threads_per_rank = threads_per_rank,
                         .streams = streams.mode,
                         .chaos_seed = streams.chaos_seed,
                         .deadline = std::chrono::minutes(1),
                         .device = streams.device,
                         .cuda_transport = streams.transport});
}

/// All schedules; every second one under sanitizers.
inline std::vector<schedule::ScheduleInfo> some_schedules() {
  std::vector<schedule::ScheduleInfo> some;
  for (std::size_t i = 0; i < schedule::schedules().size(); i += kSanitized ? 2 : 1) {
    some.push_back(schedule::schedules()[i]);
  }
  return some;
}

constexpr std::int64_t kVocabulary = 11;
constexpr std::int64_t kContext = 7;
constexpr int kMicroBatches = 4;
constexpr int kOddMicroBatches = 5;
constexpr std::int64_t kMicroBatchRows = 2;

/// What training leaves behind, to the bit.
struct TrainedBits {
  std::vector<float> losses;
  std::uint64_t weights = 0;

  friend bool operator==(const TrainedBits&, const TrainedBits&) = default;
};

/// Two blocks: 7 layers.
inline nn::Model tiny_gpt2(bool tied = false, float dropout = 0.1F, DType dtype = DType::f32) {
  return nn::gpt2({.vocabulary = kVocabulary,
                   .context = kContext,
                   .layers = 2,
                   .heads = 2,
                   .width = 8,
                   .dropout = dropout,
                   .tied = tied,
                   .dtype = dtype});
}

/// Tokens drawn from (seed, step).
inline Batch token_batch(std::int64_t rows, std::uint32_t step) {
  Random random({.seed = 5, .step = step});
  const TensorSpec spec{{rows, kContext}, DType::i32};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  for (HostTensor* tensor : {&batch.inputs.front(), &batch.targets.front()}) {
    for (std::int32_t& token : tensor->as<std::int32_t>()) {
      token = static_cast<std::int32_t>(random.next_below(kVocabulary));
    }
  }
  return batch;
}

/// All gradients by the names of their parameters.  Waits.
inline std::map<std::string, std::vector<float>> gradients_of(Pipeline& pipeline) {
  std::map<std::string, std::vector<float>> gradients;
  for (const auto& entry : pipeline.parameters().entries()) {
    gradients[entry.parameter->name()].resize(
        static_cast<std::size_t>(entry.parameter->elements()));
  }
  pipeline.parameters().on_each_rank([&](RankContext& context) {
    for (const auto& entry : pipeline.parameters().entries()) {
      if (entry.rank == context.rank) {
        context.stream.download(gradients.at(entry.parameter->name()).data(),
                                entry.parameter->grad());
      }
    }
  });
  return gradients;
}

}  // namespace lockflight::test
