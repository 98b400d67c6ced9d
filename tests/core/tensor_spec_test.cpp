#include "lockflight/core/tensor_spec.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ShapeTest, IsAMatrixOfItsLastExtent) {
  const Shape shape{4, 256, 768};
  EXPECT_EQ(shape.rank(), 3U);
  EXPECT_EQ(shape[1], 256);
  EXPECT_EQ(shape.rows(), 4 * 256);
  EXPECT_EQ(shape.columns(), 768);
  EXPECT_EQ(shape.elements(), 4 * 256 * 768);
  EXPECT_THAT(shape.extents(), ElementsAre(4, 256, 768));
}

TEST(ShapeTest, IsAScalarWithoutExtents) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0U);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.columns(), 1);
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_THAT(scalar.extents(), IsEmpty());
}

TEST(ShapeTest, OfOneExtentIsOneRow) {
  EXPECT_EQ(Shape{7}.rows(), 1);
  EXPECT_EQ(Shape{7}.columns(), 7);
}

TEST(ShapeTest, MayBeEmptyOfElements) {
  EXPECT_EQ((Shape{0, 5}).elements(), 0);
  EXPECT_EQ((Shape{5, 0}).elements(), 0);
}

TEST(ShapeTest, CountsElementsBeyond32Bits) {
  EXPECT_EQ((Shape{1 << 20, 1 << 20}).elements(), std::int64_t{1} << 40);
}

TEST(ShapeTest, IsEqualToTheSameExtentsOnly) {
  const std::vector<std::int64_t> extents = {2, 3};
  EXPECT_EQ((Shape{2, 3}), Shape(extents));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE(Shape{}, Shape{0});
}

TEST(ShapeTest, RefusesTooManyOrNegativeExtents) {
  try {
    Shape{1, 2, 3, 4, 5};
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("5 extents [1, 2, 3, 4, 5]: at most 4"));
  }
  try {
    Shape{1, -2};
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("negative extent: [1, -2]"));
  }
}

TEST(TensorSpecTest, CountsBytesByItsType) {
  EXPECT_EQ((TensorSpec{{4, 8}, DType::f32}).bytes(), 128U);
  EXPECT_EQ((TensorSpec{{4, 8}, DType::bf16}).bytes(), 64U);
  EXPECT_EQ((TensorSpec{{}, DType::f64}).bytes(), 8U);
  EXPECT_EQ((TensorSpec{{4, 8}, DType::f32}).elements(), 32);
}

TEST(TensorSpecTest, PrintsTypeAndExtents) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{4, 256, 768}), "[4, 256, 768]");
  EXPECT_EQ(to_string(TensorSpec{{4, 8}, DType::bf16}), "bf16 [4, 8]");
}

TEST(TensorSpecTest, IsEqualInShapeAndType) {
  EXPECT_EQ((TensorSpec{{2}, DType::f32}), (TensorSpec{{2}, DType::f32}));
  EXPECT_NE((TensorSpec{{2}, DType::f32}), (TensorSpec{{2}, DType::i32}));
}

}  // namespace
}  // namespace lockflight
