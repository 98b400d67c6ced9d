// Operations of different streams that touch the same bytes.

#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kRaceSize = 1000;

class RaceTest : public OnVirtualGpu {
 protected:
  /// One stream fills x, another adds it to y.
  void fill_and_add(bool planted) {
    const Stream a;
    const Stream b;
    const Event filled;
    const DeviceArray<float> x(kRaceSize);
    const DeviceArray<float> y(iota(kRaceSize));
    check(fill(a.get(), x.data(), 1, kRaceSize));
    check(cudaEventRecord(filled.get(), a.get()));
    if (!planted) {
      check(cudaStreamWaitEvent(b.get(), filled.get()));
    }
    check(axpy(b.get(), y.data(), x.data(), 1, kRaceSize));
    check(poll(a.get()));
    check(poll(b.get()));
  }

  /// The same, but planted is that the event is recorded before the kernel.
  void record_early(bool planted) {
    const Stream a;
    const Stream b;
    const Event filled;
    const DeviceArray<float> x(kRaceSize);
    const DeviceArray<float> y(iota(kRaceSize));
    if (planted) {
      check(cudaEventRecord(filled.get(), a.get()));
    }
    check(fill(a.get(), x.data(), 1, kRaceSize));
    if (!planted) {
      check(cudaEventRecord(filled.get(), a.get()));
    }
    check(cudaStreamWaitEvent(b.get(), filled.get()));
    check(axpy(b.get(), y.data(), x.data(), 1, kRaceSize));
    check(poll(a.get()));
    check(poll(b.get()));
  }

  /// The buffer is filled anew while its last content may still be on its way to the host.
  void reuse(bool planted) {
    const Stream compute;
    const Stream transfer;
    const Event filled;
    const Event sent;
    const DeviceArray<float> buffer(kRaceSize);
    const PinnedArray<float> host(2 * kRaceSize);
    for (int i = 0; i < 2; ++i) {
      if (!planted && i > 0) {
        check(cudaStreamWaitEvent(compute.get(), sent.get()));
      }
      check(fill(compute.get(), buffer.data(), 1, kRaceSize));
      check(cudaEventRecord(filled.get(), compute.get()));
      check(cudaStreamWaitEvent(transfer.get(), filled.get()));
      check(cudaMemcpyAsync(host.data() + i * kRaceSize, buffer.data(), kRaceSize * sizeof(float),
                            cudaMemcpyDeviceToHost, transfer.get()));
      check(cudaEventRecord(sent.get(), transfer.get()));
    }
    check(poll(compute.get()));
    check(poll(transfer.get()));
  }
};

std::vector<std::string> orders() {
  std::vector<std::string> all = {"fifo", "lifo"};
  for (int seed = 0; seed < 20; ++seed) {
    all.push_back(std::to_string(seed));
  }
  return all;
}

TEST_F(RaceTest, AMissingWaitIsReportedInEveryOrder) {
  for (const std::string& order : orders()) {
    virtual_gpu::set_order(order);
    fill_and_add(true);
    EXPECT_THAT(reported_kinds(), ElementsAre("race")) << "order " << order;
  }
}

TEST_F(RaceTest, AWaitIsEnoughInEveryOrder) {
  for (const std::string& order : orders()) {
    virtual_gpu::set_order(order);
    fill_and_add(false);
    EXPECT_THAT(reported_kinds(), IsEmpty()) << "order " << order;
  }
}

TEST_F(RaceTest, AnEventRecordedTooEarlyIsReportedInEveryOrder) {
  for (const std::string& order : orders()) {
    virtual_gpu::set_order(order);
    record_early(true);
    EXPECT_THAT(reported_kinds(), ElementsAre("race")) << "order " << order;
    record_early(false);
    EXPECT_THAT(reported_kinds(), IsEmpty()) << "order " << order;
  }
}

TEST_F(RaceTest, ABufferReusedTooEarlyIsReportedInEveryOrder) {
  for (const std::string& order : orders()) {
    virtual_gpu::set_order(order);
    reuse(true);
    EXPECT_THAT(reported_kinds(), ElementsAre("race")) << "order " << order;
    reuse(false);
    EXPECT_THAT(reported_kinds(), IsEmpty()) << "order " << order;
  }
}

TEST_F(RaceTest, AReportNamesBothOperationsAndTheBytes) {
  fill_and_add(true);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_THAT(reports[0].text, HasSubstr("fill (operation 1 of device 0 stream 1) writes and axpy "
                                         "(operation 1 of device 0 stream 2) reads bytes 0 to 4000 "
                                         "of the 4000 bytes of device 0"));
}

// A stream may be destroyed before its work is done; what comes later is not ordered after it.
TEST_F(RaceTest, AStreamIsNotOrderedAfterOneThatWasDestroyed) {
  const DeviceArray<float> x(kRaceSize);
  const DeviceArray<float> y(kRaceSize);
  const Stream other;
  {
    const Stream destroyed;
    check(fill(destroyed.get(), x.data(), 1, kRaceSize));
  }
  check(fill(other.get(), y.data(), 1, kRaceSize));
  check(poll(other.get()));
  const Stream later;
  check(fill(later.get(), x.data(), 2, kRaceSize));
  check(poll(later.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
}

TEST_F(RaceTest, ReadingTogetherIsNoRace) {
  const DeviceArray<float> x(iota(kRaceSize));
  const DeviceArray<float> y(iota(kRaceSize));
  const DeviceArray<float> z(iota(kRaceSize));
  const Stream a;
  const Stream b;
  check(axpy(a.get(), y.data(), x.data(), 1, kRaceSize));
  check(axpy(b.get(), z.data(), x.data(), 1, kRaceSize));
  check(poll(a.get()));
  check(poll(b.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(RaceTest, HalvesOfABufferAreApart) {
  const DeviceArray<float> x(2 * kRaceSize);
  const Stream a;
  const Stream b;
  check(fill(a.get(), x.data(), 1, kRaceSize));
  check(fill(b.get(), x.data() + kRaceSize, 2, kRaceSize));
  check(poll(a.get()));
  check(poll(b.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(fill(a.get(), x.data() + 1, 1, kRaceSize));
  check(fill(b.get(), x.data() + kRaceSize, 2, kRaceSize));
  check(poll(a.get()));
  check(poll(b.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
}

// What the host has seen to be over comes before what it enqueues then.
TEST_F(RaceTest, TheHostOrdersByAsking) {
  const DeviceArray<float> x(kRaceSize);
  const Stream a;
  const Stream b;
  check(fill(a.get(), x.data(), 1, kRaceSize));
  check(poll(a.get()));
  check(fill(b.get(), x.data(), 2, kRaceSize));
  check(cudaStreamSynchronize(b.get()));
  check(fill(a.get(), x.data(), 3, kRaceSize));
  check(cudaDeviceSynchronize());
  check(fill(b.get(), x.data(), 4, kRaceSize));
  check(poll(b.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(RaceTest, AWaitForAnEventReachesThroughAThirdStream) {
  const DeviceArray<float> x(kRaceSize);
  const Stream a;
  const Stream b;
  const Stream c;
  const Event first;
  const Event second;
  check(fill(a.get(), x.data(), 1, kRaceSize));
  check(cudaEventRecord(first.get(), a.get()));
  check(cudaStreamWaitEvent(b.get(), first.get()));
  check(cudaEventRecord(second.get(), b.get()));
  check(cudaStreamWaitEvent(c.get(), second.get()));
  check(fill(c.get(), x.data(), 2, kRaceSize));
  check(poll(c.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(poll(a.get()));
  check(poll(b.get()));
}

// Words that one stream writes and the other waits for order as events do.
TEST_F(RaceTest, AWordOrdersItsWriterAndWhoWaitsForIt) {
  const auto run = [](bool planted) {
    const DeviceArray<float> x(kRaceSize);
    const PinnedArray<std::uint32_t> word(1);
    const Stream a;
    const Stream b;
    wait_value(b.get(), word.data(), 1);
    check(fill(b.get(), x.data(), 2, kRaceSize));
    if (planted) {
      write_value(a.get(), word.data(), 1);
    }
    check(fill(a.get(), x.data(), 1, kRaceSize));
    if (!planted) {
      write_value(a.get(), word.data(), 1);
    }
    check(poll(a.get()));
    check(poll(b.get()));
  };
  for (const std::string& order : orders()) {
    virtual_gpu::set_order(order);
    run(true);
    EXPECT_THAT(reported_kinds(), ElementsAre("race")) << "order " << order;
    run(false);
    EXPECT_THAT(reported_kinds(), IsEmpty()) << "order " << order;
  }
}

}  // namespace
}  // namespace virtual_gpu_test
