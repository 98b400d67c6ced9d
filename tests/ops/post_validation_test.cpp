#include "lockflight/ops/post_validation.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/clip_scale.h"
#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

const float kNone = std::numeric_limits<float>::quiet_NaN();

class PostValidationTest : public OpTest {
 protected:
  float eager(const Doubles& sums, double max_norm) {
    const TensorView scale = unset({});
    eager_scale(stream(), scale, tensor({std::ssize(sums)}, sums), max_norm);
    return values(scale).front();
  }
  float clipped(const Doubles& sums, double max_norm) {
    const TensorView scale = unset({});
    clip_scale(stream(), scale, tensor({std::ssize(sums)}, sums), max_norm);
    return values(scale).front();
  }

  // What is there to undo and to redo.
  std::pair<float, float> amended(float used, float scale) {
    const TensorView undo = unset({});
    const TensorView redo = tensor({}, Floats{scale});
    amend_scale(stream(), undo, redo, tensor({}, Floats{used}), redo);
    return {values(undo).front(), values(redo).front()};
  }
};

INSTANTIATE_TEST_SUITE_P(On, PostValidationTest, test::all_backends(), test::backend_name);

TEST_P(PostValidationTest, AddsSumsWithoutLosingABit) {
  for (const std::int64_t count : {1, 3, 5000}) {
    Doubles sums(static_cast<std::size_t>(count));
    Doubles more = sums;
    for (std::int64_t i = 0; i < count; ++i) {
      (i % 2 == 0 ? sums : more)[i] = 1.0 / static_cast<double>(i + 3);
    }
    const TensorView result = tensor({count}, sums);
    add_sums(stream(), result, tensor({count}, more));
    const Doubles actual = values<double>(result);
    for (std::int64_t i = 0; i < count; ++i) {
      EXPECT_EQ(actual[i], 1.0 / static_cast<double>(i + 3)) << i;
    }
  }
}

TEST_P(PostValidationTest, UpdatesEagerlyWhereNothingIsToBeClippedYet) {
  EXPECT_EQ(eager({9, 16}, 5), 1.0F);
  EXPECT_EQ(eager({9, 16}, kInfinity), 1.0F);
  EXPECT_EQ(eager({0, 0}, 1), 1.0F);
  EXPECT_TRUE(std::isnan(eager({9, 16.1}, 5)));
  for (const double max_norm : {1.0, kInfinity}) {
    EXPECT_TRUE(std::isnan(eager({1, std::nan("")}, max_norm)));
    EXPECT_TRUE(std::isnan(eager({kInfinity, 1}, max_norm)));
    EXPECT_TRUE(std::isnan(eager({1e308, 1e308}, max_norm)));
  }
}

TEST_P(PostValidationTest, AgreesWithTheClippingOfTheSameSums) {
  // So close to the limit the scale is 1 in single precision, though the norm is beyond it.
  const Doubles sums = {1.0, 3.0 + 0x1p-48};
  EXPECT_EQ(clipped(sums, 2), 1.0F);
  EXPECT_TRUE(std::isnan(eager(sums, 2)));
  EXPECT_EQ(eager({1, 3}, 2), clipped({1, 3}, 2));
}

TEST_P(PostValidationTest, UndoesWhatWasWrongAndRedoesWhatIsMissing) {
  struct Case {
    float used, scale, undo, redo;
  };
  for (const Case& c :
       {Case{1, 1, 0, kNone}, Case{1, 0.5F, 1, 0.5F}, Case{1, kNone, 1, kNone},
        Case{kNone, 0.5F, 0, 0.5F}, Case{kNone, 1, 0, 1}, Case{kNone, kNone, 0, kNone}}) {
    const auto [undo, redo] = amended(c.used, c.scale);
    EXPECT_EQ(undo, c.undo) << c.used << " instead of " << c.scale;
    EXPECT_EQ(std::isnan(redo), std::isnan(c.redo)) << c.used << " instead of " << c.scale;
    if (!std::isnan(c.redo)) {
      EXPECT_EQ(redo, c.redo) << c.used << " instead of " << c.scale;
    }
  }
}

TEST_P(PostValidationTest, RestoresOnlyIfToldTo) {
  for (const std::int64_t count : {1, 7, 5000}) {
    for (const float told : {0.0F, 1.0F}) {
      in_every_way(
          [&] {
            const TensorView y = filled({count}, 2.0F);
            restore(stream(), y, filled({count}, 3.0F), tensor({}, Floats{told}));
            return values(y);
          },
          [&](const Floats& result) { EXPECT_THAT(result, testing::Each(2.0F + told)); });
    }
  }
}

TEST(PostValidationDoorTest, RefusesWhatDoesNotFit) {
  const auto device = make_cpu_device({});
  const auto stream = device->make_stream(StreamRole::compute);
  const Tensor number = device->empty({});
  const Tensor floats = device->empty({{2}});
  const Tensor sums = device->empty({{2}, DType::f64});
  const Tensor three = device->empty({{3}, DType::f64});
  EXPECT_THROW(add_sums(*stream, sums, three), InvalidArgument);
  EXPECT_THROW(add_sums(*stream, floats, floats), InvalidArgument);
  EXPECT_THROW(eager_scale(*stream, number, floats, 1), InvalidArgument);
  EXPECT_THROW(eager_scale(*stream, number, sums, 0), InvalidArgument);
  EXPECT_THROW(eager_scale(*stream, floats, sums, 1), InvalidArgument);
  EXPECT_THROW(amend_scale(*stream, number, number, number, floats), InvalidArgument);
  EXPECT_THROW(restore(*stream, floats, number, number), InvalidArgument);
  EXPECT_THROW(restore(*stream, floats, floats, floats), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::ops
