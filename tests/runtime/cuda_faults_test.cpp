// Every call of a step fails once: the step ends with one error that names the rank, no rank is
// left behind, nothing leaks, and the next pipeline works.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using test::Streams;

constexpr int kRanks = 2;
constexpr int kMicroBatches = 2;

struct Fault {
  std::string function;
  int code = 0;
};

// What a step calls, but for NCCL.
const std::vector<Fault> kFaults = {
    {"cudaSetDevice", cudaErrorDevicesUnavailable},
    {"cudaLaunchKernel", cudaErrorLaunchOutOfResources},
    {"kernel", cudaErrorIllegalAddress},
    {"cudaMemcpyAsync", cudaErrorInvalidValue},
    {"cudaMemcpyPeerAsync", cudaErrorInvalidValue},
    {"cudaMemsetAsync", cudaErrorInvalidValue},
    {"cudaEventRecord", cudaErrorUnknown},
    {"cudaStreamWaitEvent", cudaErrorUnknown},
    {"cudaStreamQuery", cudaErrorECCUncorrectable},
    {"cudaEventElapsedTime", cudaErrorUnknown},
    {"cudaEventSynchronize", cudaErrorUnknown},
    {"cudaEventCreateWithFlags", cudaErrorMemoryAllocation},
    {"cudaMallocHost", cudaErrorMemoryAllocation},
    {"cuStreamWriteValue32", 999},
    {"cuStreamWaitValue32", 999},
    {"cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED},
    {"cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INTERNAL_ERROR},
};
const std::vector<Fault> kNcclFaults = {
    {"ncclSend", ncclSystemError},
    {"ncclRecv", ncclRemoteError},
    {"ncclAllReduce", ncclInternalError},
    {"ncclCommGetAsyncError", ncclRemoteError},
};

// Of a function that is called more often, so many calls are chosen, evenly.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kMostOfOneFunction = 4;
#else
constexpr std::int64_t kMostOfOneFunction = 16;
#endif

// Calls that ask whether something has ended come as often as the host happens to look; the first
// of them stands for all.
bool asks(const std::string& function) {
  return function == "cudaStreamQuery" || function == "ncclCommGetAsyncError";
}

Batch rows() {
  const HostTensor inputs({{2 * kMicroBatches, 4}, DType::f32});
  const HostTensor targets({{2 * kMicroBatches, 2}, DType::f32});
  return {.inputs = {inputs}, .targets = {targets}};
}

// Pipeline and optimizer of a perceptron.
struct Training {
  explicit Training(const Streams& streams)
      : world(World::threads({.ranks = kRanks,
                              .deadline = std::chrono::seconds(30),
                              .device = DeviceKind::cuda,
                              .cuda_transport = streams.transport})),
        pipeline(make(world)),
        optimizer(pipeline.parameters(), {.momentum = 0.9F, .clip_norm = 1.0F}) {}

  static Pipeline make(World& world) {
    nn::Model model = nn::mlp({.inputs = 4, .hidden = 8, .outputs = 2});
    const Plan plan =
        make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = kMicroBatches});
    return {world, std::move(model), plan};
  }

  void step() {
    pipeline.forward_backward(rows());
    optimizer.step();
  }

  World world;
  Pipeline pipeline;
  train::Sgd optimizer;
};

// What a step throws when the nth call fails; empty if it throws nothing.
std::string failure_of(const Streams& streams, const Fault& fault, std::int64_t nth) {
  Training training(streams);
  virtual_gpu::fail_call(fault.function, nth, fault.code);
  std::string failure;
  try {
    training.step();
  } catch (const DeviceError& error) {
    failure = error.what();
  } catch (const TransportError& error) {
    failure = error.what();
  }
  virtual_gpu::clear_faults();
  return failure;
}

std::vector<std::int64_t> calls_of_a_step(const Streams& streams,
                                          const std::vector<Fault>& faults) {
  Training healthy(streams);
  std::vector<std::int64_t> calls;
  for (const Fault& fault : faults) {
    calls.push_back(-virtual_gpu::calls(fault.function));
  }
  healthy.step();
  for (std::size_t i = 0; i < faults.size(); ++i) {
    calls[i] += virtual_gpu::calls(faults[i].function);
  }
  EXPECT_GT(*std::ranges::max_element(calls), 0);
  return calls;
}

std::size_t free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  cudaSetDevice(1);
  cudaMemGetInfo(&free, &total);
  return free;
}

class CudaFaultsTest : public test::StreamsTest {
 protected:
  void SetUp() override {
    test::StreamsTest::SetUp();
    if (!IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU fails on demand";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, CudaFaultsTest,
                         testing::Values(Streams{.name = "cuda_nccl",
                                                 .device = DeviceKind::cuda,
                                                 .transport = CudaTransport::nccl},
                                         Streams{.name = "cuda_in_process",
                                                 .device = DeviceKind::cuda,
                                                 .transport = CudaTransport::in_process}),
                         [](const auto& test) { return test.param.name; });

TEST_P(CudaFaultsTest, EveryCallOfAStepThatFailsEndsItWithOneError) {
  const auto& candidates = GetParam().transport == CudaTransport::nccl ? kNcclFaults : kFaults;
  const std::vector<std::int64_t> calls = calls_of_a_step(GetParam(), candidates);
  const std::size_t free = free_bytes();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Fault& fault = candidates[i];
    const std::int64_t last = asks(fault.function) ? std::min<std::int64_t>(calls[i], 1) : calls[i];
    const std::int64_t stride = last / kMostOfOneFunction + 1;
    for (std::int64_t nth = 1; nth <= last; nth += stride) {
      SCOPED_TRACE(fault.function + " " + std::to_string(nth) + " of " + std::to_string(calls[i]));
      EXPECT_THAT(failure_of(GetParam(), fault, nth), testing::StartsWith("rank "));
      EXPECT_EQ(free_bytes(), free);
      // An aborted step copies what was not finished, for nobody.
      for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
        EXPECT_EQ(report.kind, "race") << report.text;
      }
    }
  }
  EXPECT_NO_THROW(Training(GetParam()).step());
  EXPECT_TRUE(virtual_gpu::take_reports().empty());
}

}  // namespace
}  // namespace lockflight
