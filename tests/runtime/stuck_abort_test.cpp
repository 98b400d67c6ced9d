// NCCL's abort may itself never come back: one error says so, and the process can still be ended.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "runtime/test_models.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

constexpr int kSaidSo = 3;
constexpr int kOther = 4;

// A step in which a launch fails; then so many of NCCL's aborts never return.  Ends the process.
[[noreturn]] void fail_with_stuck_aborts(int stuck) {
  int code = kOther;
  {
    World world = World::threads({.ranks = 2,
                                  .deadline = std::chrono::seconds(2),
                                  .device = DeviceKind::cuda,
                                  .cuda_transport = CudaTransport::nccl});
    nn::Model model = test::tiny_gpt2(true);
    const Plan plan = make_plan(model, world, {.micro_batches = 2});
    Pipeline pipeline(world, std::move(model), plan);
    for (int i = 0; i < stuck; ++i) {
      virtual_gpu::fail_call("ncclCommAbort", 1, virtual_gpu::kNeverReturns);
    }
    virtual_gpu::fail_call("cudaLaunchKernel", 9, cudaErrorLaunchOutOfResources);
    try {
      pipeline.forward_backward(test::token_batch(2, 0));
    } catch (const TransportError& error) {
      std::cerr << "TransportError: " << error.what() << '\n';
      code = kSaidSo;
    } catch (const DeviceError& error) {
      std::cerr << "DeviceError: " << error.what() << '\n';
      code = kSaidSo;
    }
  }
  std::cerr << (nccl_is_stuck() ? "is stuck" : "is not stuck") << '\n';
  if (nccl_is_stuck()) {
    std::_Exit(code);
  }
  virtual_gpu::take_reports();  // a step that ends halfway copies what was not finished
  std::exit(code);
}

class StuckAbortTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    test::need(GetParam());
    if (!IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU fails on demand";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, StuckAbortTest, testing::Values(DeviceKind::cuda), test::backend_name);

// The virtual GPU may report, before the process ends, that nothing there can run any more.
TEST_P(StuckAbortTest, OneErrorSaysSoAndTheProcessEnds) {
  EXPECT_EXIT(
      fail_with_stuck_aborts(1), testing::ExitedWithCode(kSaidSo),
      "TransportError: rank [01], action [0-9]+ [^\n]*the launch of [^\n]*; and NCCL did not "
      "come back from ending what was under way: end this process.*\nis stuck");
}

TEST_P(StuckAbortTest, WhicheverRankIsStuck) {
  EXPECT_EXIT(fail_with_stuck_aborts(6), testing::ExitedWithCode(kSaidSo),
              "TransportError: [^\n]*; and NCCL did not come back.*\nis stuck");
}

TEST_P(StuckAbortTest, AnAbortThatComesBackIsNotMentioned) {
  EXPECT_EXIT(fail_with_stuck_aborts(0), testing::ExitedWithCode(kSaidSo),
              "DeviceError: rank [01], action [^;]*\nis not stuck");
}

}  // namespace
}  // namespace lockflight
