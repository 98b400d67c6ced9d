// How a GPU's device asks for the pinned memory that copies go through.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "backend.h"
#include "lockflight/device/device.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

class CudaStagingTest : public test::BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (!IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU host counts calls";
    }
  }

  // How often a round of copies to the device asks for pinned memory.
  std::int64_t asked_in_a_round(int copies, std::size_t bytes_each) {
    const std::vector<std::byte> bytes(bytes_each);
    const auto stream = device().make_stream(StreamRole::compute);
    const std::int64_t before = virtual_gpu::calls("cudaMallocHost");
    for (int i = 0; i < copies; ++i) {
      const Tensor tensor = device().empty({{static_cast<std::int64_t>(bytes_each / 4)}});
      stream->upload(tensor.view(), bytes.data());
    }
    device().synchronize();
    return virtual_gpu::calls("cudaMallocHost") - before;
  }
};

INSTANTIATE_TEST_SUITE_P(On, CudaStagingTest, testing::Values(DeviceKind::cuda),
                         test::backend_name);

TEST_P(CudaStagingTest, ARoundLikeTheLastOneAsksForNothing) {
  EXPECT_EQ(asked_in_a_round(3, 3 << 20), 3);
  EXPECT_EQ(asked_in_a_round(3, 3 << 20), 0);
  EXPECT_EQ(asked_in_a_round(1, 1 << 20), 0);
  EXPECT_EQ(asked_in_a_round(3, 3 << 20), 0);
}

TEST_P(CudaStagingTest, WhatDoesNotFitTheFirstChunkGoesIntoOneOfItsOwn) {
  EXPECT_EQ(asked_in_a_round(1, 1 << 20), 1);
  EXPECT_EQ(asked_in_a_round(1, 6 << 20), 1);
  EXPECT_EQ(asked_in_a_round(1, 6 << 20), 0);
}

TEST_P(CudaStagingTest, MuchMemoryGoesBack) {
  EXPECT_EQ(asked_in_a_round(1, 80 << 20), 1);
  EXPECT_EQ(asked_in_a_round(1, 80 << 20), 1);
  EXPECT_EQ(asked_in_a_round(16, 4 << 20), 16);
  EXPECT_EQ(asked_in_a_round(17, 4 << 20), 1);
  EXPECT_EQ(asked_in_a_round(17, 4 << 20), 1);
}

}  // namespace
}  // namespace lockflight
