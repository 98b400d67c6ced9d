// Every call of a step fails once: the step ends with one error that names the rank, no rank is
// left behind, nothing leaks, and the next pipeline works.

#include <algorithm>
#include <cstdint>
#include <set>
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
#include "runtime/planted_fault.h"
#include "runtime/test_models.h"
#include "sanitized.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using test::Streams;

constexpr int kFaultyRanks = 2;
constexpr int kFaultyMicroBatches = 2;

struct FailingCall {
  std::string function;
  int code = 0;
};

// What a step calls, whatever the transport.
const std::vector<FailingCall> kFaults = {
    {"cudaSetDevice", cudaErrorDevicesUnavailable},
    {"cudaLaunchKernel", cudaErrorLaunchOutOfResources},
    {"kernel", cudaErrorIllegalAddress},
    {"cudaMemcpyAsync", cudaErrorInvalidValue},
    {"cudaEventRecord", cudaErrorUnknown},
    {"cudaStreamWaitEvent", cudaErrorUnknown},
    {"cudaStreamQuery", cudaErrorECCUncorrectable},
    {"cudaEventElapsedTime", cudaErrorUnknown},
    {"cudaEventSynchronize", cudaErrorUnknown},
    {"cudaEventCreateWithFlags", cudaErrorMemoryAllocation},
    {"cudaDeviceGetStreamPriorityRange", cudaErrorUnknown},
    {"cudaStreamCreateWithPriority", cudaErrorMemoryAllocation},
    {"cublasLtCreate", CUBLAS_STATUS_NOT_INITIALIZED},
    {"cublasLtMatmulDescCreate", CUBLAS_STATUS_ALLOC_FAILED},
    {"cublasLtMatmulDescSetAttribute", CUBLAS_STATUS_INVALID_VALUE},
    {"cublasLtMatrixLayoutCreate", CUBLAS_STATUS_ALLOC_FAILED},
    {"cublasLtMatmulPreferenceCreate", CUBLAS_STATUS_ALLOC_FAILED},
    {"cublasLtMatmulPreferenceSetAttribute", CUBLAS_STATUS_INVALID_VALUE},
    {"cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED},
    {"cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INTERNAL_ERROR},
};
const std::vector<FailingCall> kInProcessFaults = {
    {"cudaMallocHost", cudaErrorMemoryAllocation},
    {"cudaMemcpyPeerAsync", cudaErrorInvalidValue},
    {"cuStreamWriteValue32", 999},
    {"cuStreamWaitValue32", 999},
};
const std::vector<FailingCall> kNcclFaults = {
    {"ncclSend", ncclSystemError},
    {"ncclRecv", ncclRemoteError},
    {"ncclAllReduce", ncclInternalError},
    {"ncclCommGetAsyncError", ncclRemoteError},
};

std::vector<FailingCall> faults_of(const Streams& streams) {
  std::vector<FailingCall> faults = kFaults;
  const auto& more = streams.transport == CudaTransport::nccl ? kNcclFaults : kInProcessFaults;
  faults.insert(faults.end(), more.begin(), more.end());
  return faults;
}

// Of a function that is called more often, so many calls are chosen, evenly.
constexpr std::int64_t kMostOfOneFunction = test::kSanitized ? 4 : 1000000;

// Calls that ask whether something has ended come as often as the host happens to look; the first
// of them stands for all.
bool asks(const std::string& function) {
  return function == "cudaStreamQuery" || function == "ncclCommGetAsyncError";
}

Batch rows() {
  const HostTensor inputs({{2 * kFaultyMicroBatches, 4}, DType::f32});
  const HostTensor targets({{2 * kFaultyMicroBatches, 2}, DType::f32});
  return {.inputs = {inputs}, .targets = {targets}};
}

// Pipeline and optimizer of a perceptron.
struct MlpTraining {
  explicit MlpTraining(const Streams& streams)
      : world(World::threads({.ranks = kFaultyRanks,
                              .deadline = std::chrono::seconds(30),
                              .device = DeviceKind::cuda,
                              .cuda_transport = streams.transport})),
        pipeline(make(world)),
        optimizer(pipeline.parameters(), {.momentum = 0.9F, .clip_norm = 1.0F}) {}

  static Pipeline make(World& world) {
    nn::Model model = nn::mlp({.inputs = 4, .hidden = 8, .outputs = 2});
    const Plan plan =
        make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = kFaultyMicroBatches});
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
std::string failure_of_call(const Streams& streams, const FailingCall& fault, std::int64_t nth) {
  MlpTraining training(streams);
  return test::failure_with(fault.function, nth, fault.code, [&] { training.step(); });
}

std::int64_t calls_of_a_step(const Streams& streams, const std::string& function) {
  MlpTraining healthy(streams);
  const std::int64_t before = virtual_gpu::calls(function);
  healthy.step();
  return virtual_gpu::calls(function) - before;
}

std::size_t free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  cudaSetDevice(1);
  cudaMemGetInfo(&free, &total);
  return free;
}

struct FaultSetting {
  Streams streams;
  FailingCall fault;
};

void PrintTo(const FaultSetting& setting, std::ostream* out) {
  *out << setting.streams.name << ' ' << setting.fault.function;
}

std::vector<Streams> all_transports() {
  return {{.name = "cuda_nccl", .device = DeviceKind::cuda, .transport = CudaTransport::nccl},
          {.name = "cuda_in_process",
           .device = DeviceKind::cuda,
           .transport = CudaTransport::in_process}};
}

// One test for each function, so that they can be run beside each other.
std::vector<FaultSetting> fault_settings() {
  std::vector<FaultSetting> settings;
  for (const Streams& streams : all_transports()) {
    for (const FailingCall& fault : faults_of(streams)) {
      settings.push_back({streams, fault});
    }
  }
  return settings;
}

template <typename Parameter>
class OnVirtualGpus : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    test::need(DeviceKind::cuda);
    if (!this->IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU fails on demand";
    }
  }
};

class CudaFaultsTest : public OnVirtualGpus<FaultSetting> {};
INSTANTIATE_TEST_SUITE_P(On, CudaFaultsTest, testing::ValuesIn(fault_settings()),
                         [](const auto& test) {
                           return test.param.streams.name + "_" + test.param.fault.function;
                         });

TEST_P(CudaFaultsTest, EveryCallOfAStepThatFailsEndsItWithOneError) {
  const auto& [streams, fault] = GetParam();
  const std::int64_t calls = calls_of_a_step(streams, fault.function);
  EXPECT_GT(calls, 0);
  const std::size_t free = free_bytes();
  const std::int64_t last = asks(fault.function) ? std::min<std::int64_t>(calls, 1) : calls;
  const std::int64_t stride = last / kMostOfOneFunction + 1;
  for (std::int64_t nth = 1; nth <= last; nth += stride) {
    SCOPED_TRACE(fault.function + " " + std::to_string(nth) + " of " + std::to_string(calls));
    EXPECT_THAT(failure_of_call(streams, fault, nth), testing::StartsWith("rank "));
    EXPECT_EQ(free_bytes(), free);
    // An aborted step copies what was not finished, for nobody.
    for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
      EXPECT_EQ(report.kind, "race") << report.text;
    }
  }
  EXPECT_NO_THROW(MlpTraining(streams).step());
  EXPECT_TRUE(virtual_gpu::take_reports().empty());
}

class CudaCallsTest : public OnVirtualGpus<Streams> {};
INSTANTIATE_TEST_SUITE_P(On, CudaCallsTest, testing::ValuesIn(all_transports()),
                         [](const auto& test) { return test.param.name; });

// Or else a call could fail that the lists above do not know.
TEST_P(CudaCallsTest, AStepCallsNothingElse) {
  // Giving back cannot fail in a way that matters.
  std::set<std::string> known = {"cublasLtMatmulPreferenceDestroy"};
  for (const FailingCall& fault : faults_of(GetParam())) {
    known.insert(fault.function);
  }
  EXPECT_NO_THROW(MlpTraining(GetParam()).step());  // asks the driver for its functions, once
  MlpTraining training(GetParam());
  const auto before = virtual_gpu::all_calls();
  training.step();
  std::set<std::string> called;
  for (const auto& [function, calls] : virtual_gpu::all_calls()) {
    if (!before.contains(function) || before.at(function) != calls) {
      called.insert(function);
    }
  }
  EXPECT_THAT(called, testing::IsSubsetOf(known));
}

}  // namespace
}  // namespace lockflight
