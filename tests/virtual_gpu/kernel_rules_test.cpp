// What threads of a kernel do wrong among themselves.

#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/kernels/faulty.h"
#include "virtual_gpu/kernels/unknown.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KernelRuleTest : public OnVirtualGpu {
 protected:
  /// Runs what `enqueue` enqueues, and returns what was reported.
  template <typename Enqueue>
  std::vector<std::string> kinds(Enqueue enqueue) {
    check(enqueue(stream_.get()));
    check(poll(stream_.get()));
    return reported_kinds();
  }

  Stream stream_;
};

TEST_F(KernelRuleTest, AMissingBarrierIsReported) {
  const DeviceArray<float> x(iota(256));
  const DeviceArray<float> y(256);
  for (const char* order : {"fifo", "lifo", "1", "2", "3"}) {
    virtual_gpu::set_order(order);
    EXPECT_THAT(kinds([&](auto s) { return swap_neighbours(s, false, y.data(), x.data()); }),
                IsEmpty());
    EXPECT_THAT(kinds([&](auto s) { return swap_neighbours(s, true, y.data(), x.data()); }),
                testing::Contains("shared memory race"));
  }
}

TEST_F(KernelRuleTest, OverwritingWhatOthersReadIsReportedInEveryOrder) {
  const DeviceArray<float> y(256);
  for (int seed = 0; seed < 50; ++seed) {
    virtual_gpu::set_order(std::to_string(seed));
    EXPECT_THAT(kinds([&](auto s) { return read_and_overwrite(s, false, y.data()); }), IsEmpty());
    EXPECT_THAT(y.read(), Each(1));
    EXPECT_THAT(kinds([&](auto s) { return read_and_overwrite(s, true, y.data()); }),
                ElementsAre("shared memory race"));
  }
}

TEST_F(KernelRuleTest, ADivergentBarrierIsReported) {
  const DeviceArray<float> y(64);
  EXPECT_THAT(kinds([&](auto s) { return meet(s, false, y.data()); }), IsEmpty());
  EXPECT_THAT(kinds([&](auto s) { return meet(s, true, y.data()); }),
              ElementsAre("divergent barrier"));
}

TEST_F(KernelRuleTest, AHangIsReportedAndEnds) {
  const DeviceArray<float> y(64);
  EXPECT_THAT(kinds([&](auto s) { return meet_or_shuffle(s, false, y.data()); }), IsEmpty());
  EXPECT_THAT(kinds([&](auto s) { return meet_or_shuffle(s, true, y.data()); }),
              ElementsAre("hang in a kernel"));
  EXPECT_THAT(kinds([&](auto s) { return meet_or_shuffle(s, false, y.data()); }), IsEmpty());
  EXPECT_THAT(y.read(), Each(1));
}

TEST_F(KernelRuleTest, ALaneThatIsMissingInAShuffleIsReported) {
  const DeviceArray<float> x(iota(32));
  const DeviceArray<float> y(32);
  EXPECT_THAT(kinds([&](auto s) { return shuffle(s, false, y.data(), x.data()); }), IsEmpty());
  EXPECT_THAT(y.read(), testing::ElementsAreArray(iota(32)));
  EXPECT_THAT(kinds([&](auto s) { return shuffle(s, true, y.data(), x.data()); }),
              ElementsAre("divergent warp"));
}

TEST_F(KernelRuleTest, SharedMemoryThatNobodyWroteIsReported) {
  const DeviceArray<float> y(32);
  EXPECT_THAT(kinds([&](auto s) { return through_shared(s, false, y.data()); }), IsEmpty());
  EXPECT_THAT(kinds([&](auto s) { return through_shared(s, true, y.data()); }),
              ElementsAre("uninitialised shared memory"));
}

TEST_F(KernelRuleTest, AMisalignedVectorIsReported) {
#ifdef __clang__
  GTEST_SKIP() << "clang takes vectors apart before it places its hooks; g++ does not";
#endif
  const DeviceArray<float> x(iota(32));
  const DeviceArray<float> y(32);
  EXPECT_THAT(kinds([&](auto s) { return shift(s, false, y.data(), x.data()); }), IsEmpty());
  EXPECT_THAT(kinds([&](auto s) { return shift(s, true, y.data(), x.data()); }),
              ElementsAre("misaligned access"));
}

// Blocks of one warp race with other blocks only, a single block with itself.
TEST_F(KernelRuleTest, AnElementThatThreadsShareIsReported) {
  const DeviceArray<float> x(iota(256));
  const DeviceArray<float> y(256);
  for (const char* order : {"fifo", "lifo", "1", "2", "3"}) {
    virtual_gpu::set_order(order);
    for (const int threads : {32, 256}) {
      EXPECT_THAT(
          kinds([&](auto s) { return add_next(s, false, y.data(), x.data(), 256, threads); }),
          IsEmpty());
      EXPECT_THAT(
          kinds([&](auto s) { return add_next(s, true, y.data(), x.data(), 256, threads); }),
          ElementsAre("race in a kernel"));
    }
  }
}

TEST_F(KernelRuleTest, AtomicsMayMeet) {
  const DeviceArray<int> count(std::vector<int>{0});
  EXPECT_THAT(kinds([&](auto s) { return increment(s, false, count.data(), 256); }), IsEmpty());
  EXPECT_THAT(count.read(), ElementsAre(256));
  EXPECT_THAT(kinds([&](auto s) { return increment(s, true, count.data(), 256); }),
              ElementsAre("race in a kernel"));
}

TEST_F(KernelRuleTest, OneOfManyMayWriteToPinnedMemory) {
  const DeviceArray<float> x(std::vector<float>(256, -1));
  const PinnedArray<int> heard(2);
  EXPECT_THAT(kinds([&](auto s) { return complain(s, false, heard.data(), x.data(), 256); }),
              IsEmpty());
  EXPECT_EQ(heard.data()[0], 1);
  EXPECT_THAT(kinds([&](auto s) { return complain(s, true, heard.data(), x.data(), 256); }),
              ElementsAre("race in a kernel"));
}

// More blocks than the trace can tell apart, in several launches and in one.
TEST_F(KernelRuleTest, ManyBlocksAreNeitherTakenForOthersNorForgotten) {
  constexpr unsigned kBlocks = 1100000;
  const DeviceArray<int> y(kBlocks);
  const DeviceArray<float> x(iota(256));
  for (const unsigned blocks : {kBlocks / 2, kBlocks / 2, kBlocks}) {
    EXPECT_THAT(kinds([&](auto s) { return positions(s, y.data(), blocks, 1); }), IsEmpty());
    EXPECT_EQ(y.read()[blocks - 1], 1000 * static_cast<int>(blocks - 1));
    EXPECT_THAT(kinds([&](auto s) { return add_next(s, true, x.data(), x.data(), 256, 32); }),
                ElementsAre("race in a kernel"));
  }
}

TEST_F(KernelRuleTest, AReportNamesThreadsAndBlocks) {
  const DeviceArray<float> x(iota(256));
  check(add_next(stream_.get(), true, x.data(), x.data(), 256, 32));
  check(poll(stream_.get()));
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_THAT(reports[0].text,
              HasSubstr("add_next (operation 1 of device 0 stream 1): a thread of another block "
                        "reads and thread 0 of block (1, 0, 0) writes"));
}

TEST_F(KernelRuleTest, AKernelWithoutATwinIsReportedByName) {
  const DeviceArray<float> y(1);
  EXPECT_EQ(set_one(stream_.get(), y.data()), cudaErrorInvalidDeviceFunction);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "unknown kernel");
  EXPECT_THAT(reports[0].text, HasSubstr("7set_oneEPf"));
}

TEST_F(KernelRuleTest, ALaunchThatNoDeviceCanHoldFails) {
  const DeviceArray<int> y(1);
  EXPECT_EQ(positions(stream_.get(), y.data(), 1, 1025), cudaErrorInvalidConfiguration);
  EXPECT_EQ(positions(stream_.get(), y.data(), 0, 32), cudaErrorInvalidConfiguration);
  EXPECT_EQ(positions(stream_.get(), y.data(), dim3(1, 65536), 32), cudaErrorInvalidConfiguration);
}

}  // namespace
}  // namespace virtual_gpu_test
