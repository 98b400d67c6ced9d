#include "lockflight/ops/matmul.h"

#include <array>

#include <gmock/gmock.h>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

struct MatmulCase {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

// Below, at and beyond one piece of the CPU's (128 x 384), and from where it straightens a
// transposed b.
constexpr auto kMatmulCases = std::to_array<MatmulCase>({{1, 1, 1},
                                                         {1, 7, 5},
                                                         {3, 1, 17},
                                                         {13, 31, 29},
                                                         {127, 129, 3},
                                                         {128, 17, 37},
                                                         {131, 389, 3},
                                                         {257, 385, 5}});

class MatmulTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, MatmulTest, test::all_backends(), test::backend_name);

struct Variant {
  bool transpose_a;
  bool transpose_b;
  bool accumulate;
  bool biased;
};

struct MatmulInputs {
  explicit MatmulInputs(const MatmulCase& shape)
      : a(normal_values(shape.m * shape.k, "a")),
        b(normal_values(shape.k * shape.n, "b")),
        c(normal_values(shape.m * shape.n, "c")),
        bias(normal_values(shape.n, "bias")) {}

  Floats a;
  Floats b;
  Floats c;
  Floats bias;
};

Doubles three_loops(const MatmulInputs& in, const MatmulCase& shape, const Variant& variant) {
  const auto [m, n, k] = shape;
  Doubles expected;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = variant.accumulate ? static_cast<double>(in.c[i * n + j]) : 0.0;
      sum += variant.biased ? static_cast<double>(in.bias[j]) : 0.0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += static_cast<double>(in.a[variant.transpose_a ? l * m + i : i * k + l]) *
               static_cast<double>(in.b[variant.transpose_b ? j * k + l : l * n + j]);
      }
      expected.push_back(sum);
    }
  }
  return expected;
}

TEST_P(MatmulTest, AgreesWithThreeLoopsForAllTransposesAccumulatingOrNotWithBiasOrNot) {
  for (const MatmulCase& shape : kMatmulCases) {
    const MatmulInputs in(shape);
    for (unsigned bits = 0; bits < 16; ++bits) {
      const auto [m, n, k] = shape;
      const Variant variant{.transpose_a = (bits & 1U) != 0,
                            .transpose_b = (bits & 2U) != 0,
                            .accumulate = (bits & 4U) != 0,
                            .biased = (bits & 8U) != 0};
      SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << " variant " << bits);
      const Doubles expected = three_loops(in, shape, variant);
      const Shape shape_a = variant.transpose_a ? Shape{k, m} : Shape{m, k};
      const Shape shape_b = variant.transpose_b ? Shape{n, k} : Shape{k, n};
      const Shape shape_c = {m, n};
      in_every_way(
          [&] {
            // What is overwritten is not read.
            const TensorView c = variant.accumulate ? tensor(shape_c, in.c) : unset(shape_c);
            matmul(stream(), c, tensor(shape_a, in.a), tensor(shape_b, in.b),
                   {.transpose_a = variant.transpose_a,
                    .transpose_b = variant.transpose_b,
                    .accumulate = variant.accumulate,
                    .bias = variant.biased ? tensor({shape_c.columns()}, in.bias) : TensorView()});
            return values(c);
          },
          [&](const Floats& c) { expect_close(c, expected, 1e-5); }, Alignment::matters);
    }
  }
}

TEST_P(MatmulTest, MultipliesTheRowsOfTensors) {
  using testing::ElementsAre;
  const TensorView a = tensor({1, 2, 3}, Floats{1, 2, 3, 4, 5, 6});
  const TensorView b = tensor({3, 2}, Floats{1, 0, 0, 1, 1, 1});
  const TensorView c = unset({1, 2, 2});
  matmul(stream(), c, a, b, {.bias = tensor({2}, Floats{10, 20})});
  EXPECT_THAT(values(c), ElementsAre(14, 25, 20, 31));
  const TensorView gradient = unset({3, 3});
  matmul(stream(), gradient, a, a, {.transpose_a = true});
  EXPECT_THAT(values(gradient), ElementsAre(17, 22, 27, 22, 29, 36, 27, 36, 45));
  const TensorView gram = unset({2, 2});
  matmul(stream(), gram, a, a, {.transpose_b = true});
  EXPECT_THAT(values(gram), ElementsAre(14, 32, 32, 77));
}

}  // namespace
}  // namespace lockflight::ops
