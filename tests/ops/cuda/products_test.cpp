// How cuBLASLt is asked for products, as the virtual GPU host sees it.

#include "lockflight/ops/matmul.h"
#include "ops/op_test.h"
#include "virtual_gpu/control.h"

namespace lockflight::ops {
namespace {

class ProductTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (!IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "on a real GPU nobody counts calls";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, ProductTest, testing::Values(DeviceKind::cuda), test::backend_name);

TEST_P(ProductTest, AnAlgorithmIsAskedForOnceForEachShape) {
  const TensorView a = filled({3, 4}, 1.0F);
  const TensorView b = filled({4, 5}, 1.0F);
  const auto calls = [] { return virtual_gpu::calls("cublasLtMatmulAlgoGetHeuristic"); };
  const auto asked = [&, before = calls()] { return calls() - before; };
  for (int repeat = 0; repeat < 3; ++repeat) {
    matmul(stream(), filled({3, 5}, 0.0F), a, b);
    EXPECT_EQ(asked(), 1);
  }
  for (int repeat = 0; repeat < 3; ++repeat) {
    matmul(stream(), filled({3, 5}, 0.0F), a, b, {.accumulate = true});
    EXPECT_EQ(asked(), 2);
  }
  matmul(stream(), filled({2, 5}, 0.0F), a.slice(0, 2), b);
  EXPECT_EQ(asked(), 3);
}

}  // namespace
}  // namespace lockflight::ops
