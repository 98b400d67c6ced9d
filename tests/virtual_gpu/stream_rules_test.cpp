// Streams and events: order, devices, and what happens when nothing can go on.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StreamRuleTest : public OnVirtualGpu {};

// Runs host functions on three streams, and returns in which order they ran.
std::string run_in(const std::string& order) {
  virtual_gpu::set_order(order);
  static std::string ran;
  ran.clear();
  const Stream streams[3];
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
    check(cudaLaunchHostFunc(
        streams[(*name - 'a') % 3].get(), [](void* data) { ran += static_cast<const char*>(data); },
        const_cast<char*>(name)));
  }
  for (const Stream& stream : streams) {
    check(poll(stream.get()));
  }
  return ran;
}

TEST_F(StreamRuleTest, OperationsRunInTheMachinesOrder) {
  EXPECT_EQ(run_in("fifo"), "abcdef");
  EXPECT_EQ(run_in("lifo"), "cfbead");
  EXPECT_EQ(run_in("7"), run_in("7"));
  std::vector<std::string> all;
  for (int seed = 0; seed < 20; ++seed) {
    const std::string ran = run_in(std::to_string(seed));
    EXPECT_LT(ran.find('a'), ran.find('d'));
    EXPECT_LT(ran.find('b'), ran.find('e'));
    EXPECT_LT(ran.find('c'), ran.find('f'));
    all.push_back(ran);
  }
  EXPECT_THAT(all, testing::Not(Each(all[0])));
}

TEST_F(StreamRuleTest, AskingIsEnoughToGetWorkDone) {
  const Stream stream;
  const DeviceArray<float> y(10);
  check(fill(stream.get(), y.data(), 1, 10));
  EXPECT_EQ(poll(stream.get()), cudaSuccess);
  EXPECT_THAT(y.read(), Each(1));
}

TEST_F(StreamRuleTest, NobodyNeedsToAsk) {
  const Stream stream;
  static std::atomic<bool> ran = false;
  check(cudaLaunchHostFunc(
      stream.get(), [](void*) { ran = true; }, nullptr));
  while (!ran) {
    std::this_thread::yield();
  }
}

// The null stream waits for streams that block, and they for it.
TEST_F(StreamRuleTest, TheNullStreamMeetsStreamsThatBlock) {
  const DeviceArray<float> y(10);
  const auto run = [&](unsigned flags) {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, flags));
    check(cudaMemsetAsync(y.data(), 0, 40, nullptr));
    check(fill(stream, y.data(), 1, 10));
    const std::vector<float> read = y.read();
    check(cudaStreamDestroy(stream));
    return read;
  };
  EXPECT_THAT(run(cudaStreamDefault), Each(1));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  run(cudaStreamNonBlocking);
  EXPECT_THAT(reported_kinds(), testing::Contains("race"));
}

TEST_F(StreamRuleTest, AKernelBelongsOnTheCurrentDevice) {
  const Stream stream;
  const DeviceArray<float> y(10);
  check(cudaSetDevice(1));
  EXPECT_EQ(fill(stream.get(), y.data(), 1, 10), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
  check(cudaSetDevice(0));
  EXPECT_EQ(fill(stream.get(), y.data(), 1, 10), cudaSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(StreamRuleTest, AnEventIsRecordedOnItsDevice) {
  const Stream first;
  const Event event;
  check(cudaSetDevice(1));
  const Stream second;
  EXPECT_EQ(cudaEventRecord(event.get(), second.get()), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
  EXPECT_EQ(cudaEventRecord(event.get(), first.get()), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(second.get(), event.get()), cudaSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(poll(second.get()));
}

TEST_F(StreamRuleTest, ADeadStreamOrEventIsReported) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  check(cudaEventRecord(event, stream));
  check(cudaStreamDestroy(stream));
  EXPECT_EQ(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
  check(cudaEventDestroy(event));
  EXPECT_EQ(cudaEventQuery(event), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(reported_kinds(), ElementsAre("bad handle", "bad handle"));
}

TEST_F(StreamRuleTest, ADriverFunctionThatIsNotEmulatedIsReported) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const auto ask = [&](const char* name) {
    check(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found));
    return found;
  };
  EXPECT_EQ(ask("cuStreamBatchMemOp"), cudaDriverEntryPointSymbolNotFound);
  EXPECT_THAT(reported_kinds(), ElementsAre("unsupported"));
  EXPECT_EQ(ask("cuStreamWaitValue32"), cudaDriverEntryPointSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(StreamRuleTest, EventsMeasureTime) {
  const Stream stream;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  float milliseconds = -1;
  check(cudaEventCreateWithFlags(&begin, cudaEventDefault));
  check(cudaEventCreateWithFlags(&end, cudaEventDefault));
  check(cudaEventRecord(begin, stream.get()));
  check(cudaEventRecord(end, stream.get()));
  check(cudaEventSynchronize(end));
  check(cudaEventElapsedTime(&milliseconds, begin, end));
  EXPECT_GE(milliseconds, 0);
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
}

class DeadlockTest : public OnVirtualGpu {
 protected:
  void SetUp() override {
    OnVirtualGpu::SetUp();
    if (!IsSkipped()) {
      virtual_gpu::set_patience(100ms);
    }
  }
};

TEST_F(DeadlockTest, AWaitForAWordThatNobodyWritesIsReported) {
  const Stream stream;
  const PinnedArray<std::uint32_t> word(1);
  wait_value(stream.get(), word.data(), 3);
  EXPECT_EQ(poll(stream.get()), cudaErrorLaunchTimeout);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(
      reports[0].text,
      AllOf(HasSubstr("cuStreamWaitValue32 (operation 1 of device 0 stream 1) waits for the "
                      "word at 0x7e9f"),
            HasSubstr("to reach 3, which is 0; 0 more wait behind it"),
            HasSubstr("polls cudaStreamQuery of device 0 stream 1")));
}

TEST_F(DeadlockTest, StreamsThatWaitForEachOtherAreReported) {
  const PinnedArray<std::uint32_t> words(2);
  const auto run = [&](bool planted) {
    const Stream a;
    const Stream b;
    words.data()[0] = words.data()[1] = 0;
    if (planted) {
      wait_value(a.get(), words.data(), 1);
      write_value(a.get(), words.data() + 1, 1);
    } else {
      write_value(a.get(), words.data() + 1, 1);
      wait_value(a.get(), words.data(), 1);
    }
    wait_value(b.get(), words.data() + 1, 1);
    write_value(b.get(), words.data(), 1);
    const cudaError_t first = poll(a.get());
    EXPECT_EQ(poll(b.get()), first);
    return first;
  };
  EXPECT_EQ(run(true), cudaErrorLaunchTimeout);
  EXPECT_THAT(reported_kinds(), ElementsAre("deadlock"));
  EXPECT_EQ(run(false), cudaSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(DeadlockTest, WhoeverWaitsForAStuckStreamFailsToo) {
  const Stream a;
  const Stream b;
  const Event event;
  const PinnedArray<std::uint32_t> word(1);
  wait_value(a.get(), word.data(), 1);
  check(cudaEventRecord(event.get(), a.get()));
  check(cudaStreamWaitEvent(b.get(), event.get()));
  std::thread other([&] { EXPECT_EQ(cudaStreamSynchronize(b.get()), cudaErrorLaunchTimeout); });
  EXPECT_EQ(cudaEventSynchronize(event.get()), cudaErrorLaunchTimeout);
  other.join();
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_THAT(reports[0].text,
              HasSubstr("cudaStreamWaitEvent (operation 1 of device 0 stream 2) waits for "
                        "cudaEventRecord (operation 2 of device 0 stream 1)"));
}

TEST_F(DeadlockTest, TheHostMayOpenAWait) {
  const Stream stream;
  const PinnedArray<std::uint32_t> word(1);
  wait_value(stream.get(), word.data(), 1);
  EXPECT_EQ(cudaStreamQuery(stream.get()), cudaErrorNotReady);
  std::atomic_ref<std::uint32_t>(*word.data()).store(1);
  EXPECT_EQ(poll(stream.get()), cudaSuccess);
}

// A thread that computes may be about to enqueue what everybody waits for.
TEST_F(DeadlockTest, AThreadThatComputesIsWaitedFor) {
  const Stream stream;
  const PinnedArray<std::uint32_t> word(1);
  wait_value(stream.get(), word.data(), 1);
  std::thread computes([&] {
    const auto end = std::chrono::steady_clock::now() + 400ms;
    while (std::chrono::steady_clock::now() < end) {
    }
    std::atomic_ref<std::uint32_t>(*word.data()).store(1);
  });
  EXPECT_EQ(poll(stream.get()), cudaSuccess);
  computes.join();
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(DeadlockTest, TheMachineGoesOnAfterwards) {
  const PinnedArray<std::uint32_t> word(1);
  const DeviceArray<float> y(10);
  {
    const Stream stuck;
    wait_value(stuck.get(), word.data(), 1);
    EXPECT_EQ(poll(stuck.get()), cudaErrorLaunchTimeout);
    EXPECT_THAT(reported_kinds(), ElementsAre("deadlock"));
  }
  const Stream stream;
  check(fill(stream.get(), y.data(), 1, 10));
  check(poll(stream.get()));
  EXPECT_THAT(y.read(), Each(1));
}

}  // namespace
}  // namespace virtual_gpu_test
