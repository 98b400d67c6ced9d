// Programs without a fault, which the machine runs and finds nothing wrong with.

#include <cstdint>
#include <numeric>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::ElementsAreArray;

TEST(CudaProgramTest, CopiesThereAndBack) {
  const std::vector<float> x = iota(1000);
  const DeviceArray<float> on_device(x);
  EXPECT_THAT(on_device.read(), ElementsAreArray(x));
}

TEST(CudaProgramTest, RunsAKernelOnEachElement) {
  const std::vector<float> x = iota(1001);
  const Stream stream;
  const DeviceArray<float> y(1001);
  const DeviceArray<float> on_device(x);
  ASSERT_EQ(fill(stream.get(), y.data(), 2, 1001), cudaSuccess);
  ASSERT_EQ(axpy(stream.get(), y.data(), on_device.data(), 3, 1001), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  std::vector<float> expected;
  for (const float value : x) {
    expected.push_back(2 + 3 * value);
  }
  EXPECT_THAT(y.read(), ElementsAreArray(expected));
}

TEST(CudaProgramTest, RunsATemplateOnBf16) {
  // 1, 2, -3 and 0.5.
  const std::vector<std::uint16_t> x = {0x3f80, 0x4000, 0xc040, 0x3f00};
  const Stream stream;
  const DeviceArray<std::uint16_t> y(4);
  const DeviceArray<std::uint16_t> on_device(x);
  ASSERT_EQ(scale_bf16(stream.get(), y.data(), on_device.data(), 2, 4), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_THAT(y.read(), ElementsAreArray({0x4000, 0x4080, 0xc0c0, 0x3f80}));
}

TEST(CudaProgramTest, SumsByShufflesAndSharedMemory) {
  for (const int columns : {1, 31, 127, 1000}) {
    const Stream stream;
    const DeviceArray<float> x(iota(7 * columns));
    const DeviceArray<float> sums(7);
    ASSERT_EQ(sum_rows(stream.get(), sums.data(), x.data(), 7, columns), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
    const std::vector<float> all = x.read();
    for (int row = 0; row < 7; ++row) {
      const auto* begin = all.data() + row * columns;
      EXPECT_FLOAT_EQ(sums.read()[row], std::accumulate(begin, begin + columns, 0.0F));
    }
  }
}

TEST(CudaProgramTest, TransposesByTiles) {
  constexpr int kRows = 37;
  constexpr int kColumns = 50;
  const Stream stream;
  const DeviceArray<float> x(iota(kRows * kColumns));
  const DeviceArray<float> y(kRows * kColumns);
  ASSERT_EQ(transpose(stream.get(), y.data(), x.data(), kRows, kColumns), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  const std::vector<float> to = y.read();
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) {
      EXPECT_EQ(to[j * kRows + i], static_cast<float>(i * kColumns + j));
    }
  }
}

TEST(CudaProgramTest, CountsByAtomics) {
  std::vector<int> x(500);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<int>(i * i % 7);
  }
  const Stream stream;
  const DeviceArray<int> on_device(x);
  const DeviceArray<int> counts(std::vector<int>(7, 0));
  ASSERT_EQ(count(stream.get(), counts.data(), on_device.data(), 500), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  std::vector<int> expected(7, 0);
  for (const int value : x) {
    ++expected[value];
  }
  EXPECT_THAT(counts.read(), ElementsAreArray(expected));
}

TEST(CudaProgramTest, TellsThreadsWhereTheyAre) {
  const Stream stream;
  const DeviceArray<int> y(2 * 3 * 2 * 24);
  ASSERT_EQ(positions(stream.get(), y.data(), dim3(2, 3, 2), dim3(4, 3, 2)), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  const std::vector<int> all = y.read();
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    EXPECT_EQ(all[i], 1000 * (i / 24) + i % 24);
  }
}

TEST(CudaProgramTest, CollectsVotesOfAWarp) {
  std::vector<int> x(100);
  std::iota(x.begin(), x.end(), 0);
  const Stream stream;
  const DeviceArray<int> on_device(x);
  const DeviceArray<unsigned> votes(100);
  ASSERT_EQ(ballots(stream.get(), votes.data(), on_device.data(), 100), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(votes.read()[0], 0xaaaaaaaaU);
  EXPECT_EQ(votes.read()[99], 0x0000000aU);
}

}  // namespace
}  // namespace virtual_gpu_test
