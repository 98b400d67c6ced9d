#include "ops/cpu/matmul.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

struct Case {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.m << "x" << c.n << "x" << c.k; }

class MatmulKernelTest : public testing::TestWithParam<Case> {};

// Below, at and beyond one piece (128 x 384), and from where a transposed b is straightened.
INSTANTIATE_TEST_SUITE_P(Shapes, MatmulKernelTest,
                         testing::Values(Case{1, 1, 1}, Case{1, 7, 5}, Case{3, 1, 17},
                                         Case{13, 31, 29}, Case{127, 129, 3}, Case{128, 17, 37},
                                         Case{131, 389, 3}, Case{257, 385, 5}));

TEST_P(MatmulKernelTest, AgreesWithThreeLoopsForAllTransposesAccumulatingOrNotWithBiasOrNot) {
  const auto [m, n, k] = GetParam();
  const Floats a = normal_values(m * k, "a");
  const Floats b = normal_values(k * n, "b");
  const Floats bias = normal_values(n, "bias");
  const Floats before = normal_values(m * n, "c");
  for (int variant = 0; variant < 16; ++variant) {
    const bool transpose_a = (variant & 1) != 0;
    const bool transpose_b = (variant & 2) != 0;
    const bool accumulate = (variant & 4) != 0;
    const bool biased = (variant & 8) != 0;
    SCOPED_TRACE(variant);
    Doubles expected(static_cast<std::size_t>(m * n));
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = accumulate ? static_cast<double>(before[i * n + j]) : 0.0;
        sum += biased ? static_cast<double>(bias[j]) : 0.0;
        for (std::int64_t l = 0; l < k; ++l) {
          sum += static_cast<double>(a[transpose_a ? l * m + i : i * k + l]) *
                 static_cast<double>(b[transpose_b ? j * k + l : l * n + j]);
        }
        expected[i * n + j] = sum;
      }
    }
    const MatmulShape shape{m, n, k, transpose_a, transpose_b};
    on_every_target(
        before,
        [&](Team& team, float* c) {
          matmul(team, c, a.data(), b.data(), biased ? bias.data() : nullptr, shape, accumulate);
        },
        [&](const Floats& c) { expect_close(c, expected, 1e-5); });
  }
}

TEST(MatmulKernelTest, DoesNotReadWhatItOverwrites) {
  const Floats ones(4, 1.0F);
  Floats c(4, NAN);
  Team team(1);
  matmul(team, c.data(), ones.data(), ones.data(), nullptr, {.m = 2, .n = 2, .k = 2}, false);
  EXPECT_EQ(c, Floats(4, 2.0F));
}

}  // namespace
}  // namespace lockflight::ops::cpu
