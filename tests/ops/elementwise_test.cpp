#include "lockflight/ops/elementwise.h"

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class ElementwiseTest : public OpTest {
 protected:
  /// Has operate(x, y) return what it computed from tensors of many sizes, and expects formula(x,
  /// y) of each element.
  template <class Operate, class Formula>
  void expect_each(double tolerance, const Operate& operate, const Formula& formula) {
    for (const std::int64_t count :
         {1, 2, 15, 16, 17, 97, 1023, 1024, 1025, 16384, 16384 * 2 + 3}) {
      SCOPED_TRACE(count);
      const Floats x = normal_values(count, "x");
      const Floats y = normal_values(count, "y");
      Doubles expected;
      for (std::size_t i = 0; i < x.size(); ++i) {
        expected.push_back(formula(static_cast<double>(x[i]), static_cast<double>(y[i])));
      }
      expect_in_every_way(expected, tolerance,
                          [&] { return values(operate(tensor({count}, x), tensor({count}, y))); });
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, ElementwiseTest, test::all_backends(), test::backend_name);

TEST_P(ElementwiseTest, Adds) {
  const auto sum = [](double x, double y) { return x + y; };
  expect_each(
      1e-7,
      [&](const TensorView& x, const TensorView& y) {
        const TensorView z = unset(x.shape());
        add(stream(), z, x, y);
        return z;
      },
      sum);
  expect_each(
      1e-7,
      [&](const TensorView& x, const TensorView& y) {
        add(stream(), x, x, y);
        return x;
      },
      sum);
  expect_each(
      1e-7,
      [&](const TensorView& x, const TensorView& y) {
        add(stream(), y, x, y);
        return y;
      },
      sum);
}

TEST_P(ElementwiseTest, Scales) {
  const auto scaled = [](double x, double) { return 0.7 * x; };
  expect_each(
      1e-7,
      [&](const TensorView& x, const TensorView& y) {
        scale(stream(), y, x, 0.7F);
        return y;
      },
      scaled);
  expect_each(
      1e-7,
      [&](const TensorView& x, const TensorView&) {
        scale(stream(), x, x, 0.7F);
        return x;
      },
      scaled);
}

TEST_P(ElementwiseTest, Accumulates) {
  expect_each(
      2e-7,
      [&](const TensorView& x, const TensorView& y) {
        accumulate(stream(), y, x, 0.7F);
        return y;
      },
      [](double x, double y) { return y + 0.7 * x; });
}

TEST_P(ElementwiseTest, CopiesAndFills) {
  expect_each(
      0.0,
      [&](const TensorView& x, const TensorView& y) {
        copy(stream(), y, x);
        return y;
      },
      [](double x, double) { return x; });
  expect_each(
      0.0,
      [&](const TensorView& x, const TensorView&) {
        fill(stream(), x, 0.25F);
        return x;
      },
      [](double, double) { return 0.25; });
}

TEST_P(ElementwiseTest, DoesNothingToNothing) {
  const TensorView nothing = tensor({0}, Floats());
  add(stream(), nothing, nothing, nothing);
  fill(stream(), nothing, 1.0F);
  EXPECT_NO_THROW(device().synchronize());
}

}  // namespace
}  // namespace lockflight::ops
