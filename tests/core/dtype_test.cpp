#include "lockflight/core/dtype.h"

#include <gtest/gtest.h>

namespace lockflight {
namespace {

TEST(DTypeTest, KnowsTheSizeOfAnElementAndItsName) {
  EXPECT_EQ(size_of(DType::f32), sizeof(float));
  EXPECT_EQ(size_of(DType::f64), sizeof(double));
  EXPECT_EQ(size_of(DType::i32), sizeof(std::int32_t));
  EXPECT_EQ(size_of(DType::bf16), 2U);
  EXPECT_EQ(name_of(DType::f32), "f32");
  EXPECT_EQ(name_of(DType::bf16), "bf16");
  EXPECT_EQ(name_of(DType::f64), "f64");
  EXPECT_EQ(name_of(DType::i32), "i32");
}

}  // namespace
}  // namespace lockflight
