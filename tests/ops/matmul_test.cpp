#include "lockflight/ops/matmul.h"

#include <array>

#include <gmock/gmock.h>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

struct Case {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

// Below, at and beyond one piece of the CPU's (128 x 384), and from where it straightens a
// transposed b.
constexpr auto kCases = std::to_array<Case>({{1, 1, 1},
                                             {1, 7, 5},
                                             {3, 1, 17},
                                             {13, 31, 29},
                                             {127, 129, 3},
                                             {128, 17, 37},
                                             {131, 389, 3},
                                             {257, 385, 5}});

class MatmulTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, MatmulTest, test::all_backends(), test::backend_name);

TEST_P(MatmulTest, AgreesWithThreeLoopsForAllTransposesAccumulatingOrNotWithBiasOrNot) {
  for (const auto& [m, n, k] : kCases) {
    const Floats a = normal_values(m * k, "a");
    const Floats b = normal_values(k * n, "b");
    const Floats bias = normal_values(n, "bias");
    const Floats before = normal_values(m * n, "c");
    for (int variant = 0; variant < 16; ++variant) {
      const bool transpose_a = (variant & 1) != 0;
      const bool transpose_b = (variant & 2) != 0;
      const bool accumulates = (variant & 4) != 0;
      const bool biased = (variant & 8) != 0;
      SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << " variant " << variant);
      Doubles expected;
      for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          double sum = accumulates ? static_cast<double>(before[i * n + j]) : 0.0;
          sum += biased ? static_cast<double>(bias[j]) : 0.0;
          for (std::int64_t l = 0; l < k; ++l) {
            sum += static_cast<double>(a[transpose_a ? l * m + i : i * k + l]) *
                   static_cast<double>(b[transpose_b ? j * k + l : l * n + j]);
          }
          expected.push_back(sum);
        }
      }
      in_every_way(
          [&, m = m, n = n, k = k] {
            // What is overwritten is not read.
            const TensorView c = accumulates ? tensor({m, n}, before) : unset({m, n});
            matmul(stream(), c, tensor(transpose_a ? Shape{k, m} : Shape{m, k}, a),
                   tensor(transpose_b ? Shape{n, k} : Shape{k, n}, b),
                   {.transpose_a = transpose_a,
                    .transpose_b = transpose_b,
                    .accumulate = accumulates,
                    .bias = biased ? tensor({n}, bias) : TensorView()});
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
