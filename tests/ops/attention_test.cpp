#include "lockflight/ops/attention.h"

#include <cmath>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

// B sequences of T positions, H heads of D channels, K heads of keys and values.
struct AttentionCase {
  std::int64_t B;
  std::int64_t T;
  std::int64_t H;
  std::int64_t K;
  std::int64_t D;

  std::int64_t outputs() const { return B * T * H * D; }
  std::int64_t inputs() const { return B * T * (H + 2 * K) * D; }
  Shape y() const { return {B, T, H * D}; }
  Shape qkv() const { return {B, T, (H + 2 * K) * D}; }
  Shape rows() const { return {B, H, T}; }
  AttentionHeads heads() const { return {.queries = H, .key_values = K}; }
};

// Attention and its gradient with one loop for every index, in double.
class PlainAttention {
 public:
  PlainAttention(const Floats& qkv, const Floats& dy, const AttentionCase& c)
      : qkv_(qkv), dy_(dy), c_(c) {
    y.resize(dy.size());
    dqkv.resize(qkv.size());
    log_sum_exp.resize(static_cast<std::size_t>(c.B * c.H * c.T));
    for (std::int64_t b = 0; b < c.B; ++b) {
      for (std::int64_t h = 0; h < c.H; ++h) {
        for (std::int64_t t = 0; t < c.T; ++t) {
          row(b, h, t);
        }
      }
    }
  }

  Doubles y;
  Doubles log_sum_exp;
  Doubles dqkv;

 private:
  std::size_t at(std::int64_t b, std::int64_t t, std::int64_t which, std::int64_t h,
                 std::int64_t d) const {
    const auto [B, T, H, K, D] = c_;
    const std::int64_t head = which == 0 ? h : H + (which - 1) * K + h / (H / K);
    return static_cast<std::size_t>(((b * T + t) * (H + 2 * K) + head) * D + d);
  }
  std::size_t out(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) const {
    return static_cast<std::size_t>(((b * c_.T + t) * c_.H + h) * c_.D + d);
  }
  double q(std::size_t i) const { return static_cast<double>(qkv_[i]); }

  void row(std::int64_t b, std::int64_t h, std::int64_t t) {
    const std::int64_t D = c_.D;
    const double scale = 1.0 / std::sqrt(static_cast<double>(D));
    Doubles p;
    double sum = 0.0;
    for (std::int64_t s = 0; s <= t; ++s) {
      double score = 0.0;
      for (std::int64_t d = 0; d < D; ++d) {
        score += scale * q(at(b, t, 0, h, d)) * q(at(b, s, 1, h, d));
      }
      p.push_back(std::exp(score));
      sum += p.back();
    }
    log_sum_exp[static_cast<std::size_t>((b * c_.H + h) * c_.T + t)] = std::log(sum);
    double delta = 0.0;
    for (std::int64_t d = 0; d < D; ++d) {
      for (std::int64_t s = 0; s <= t; ++s) {
        y[out(b, t, h, d)] += p[s] / sum * q(at(b, s, 2, h, d));
      }
      delta += y[out(b, t, h, d)] * static_cast<double>(dy_[out(b, t, h, d)]);
    }
    for (std::int64_t s = 0; s <= t; ++s) {
      double dp = 0.0;
      for (std::int64_t d = 0; d < D; ++d) {
        const auto dy = static_cast<double>(dy_[out(b, t, h, d)]);
        dp += dy * q(at(b, s, 2, h, d));
        dqkv[at(b, s, 2, h, d)] += p[s] / sum * dy;
      }
      const double dscore = p[s] / sum * (dp - delta) * scale;
      for (std::int64_t d = 0; d < D; ++d) {
        dqkv[at(b, t, 0, h, d)] += dscore * q(at(b, s, 1, h, d));
        dqkv[at(b, s, 1, h, d)] += dscore * q(at(b, t, 0, h, d));
      }
    }
  }

  const Floats& qkv_;
  const Floats& dy_;
  AttentionCase c_;
};

class AttentionTest : public OpTest {
 protected:
  /// Forward and backward.
  void expect_plain_loops(const AttentionCase& c) {
    SCOPED_TRACE(testing::Message()
                 << "B " << c.B << " T " << c.T << " H " << c.H << " K " << c.K << " D " << c.D);
    const Floats qkv = normal_values(c.inputs(), "qkv", 1.5);
    const Floats dy = normal_values(c.outputs(), "dy");
    const PlainAttention expected(qkv, dy, c);
    const auto outputs = static_cast<std::size_t>(c.outputs());
    Floats kept;
    in_every_way(
        [&] {
          const TensorView y = unset(c.y());
          const TensorView log_sum_exp = unset(c.rows());
          attention(stream(), y, log_sum_exp, tensor(c.qkv(), qkv), c.heads());
          return values_of({y, log_sum_exp});
        },
        [&](const Floats& result) {
          expect_close(result, joined(expected.y, expected.log_sum_exp), 1e-5, "forward");
          kept = result;
        });
    ASSERT_FALSE(kept.empty());
    const Floats y(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(outputs));
    const Floats log_sum_exp(kept.begin() + static_cast<std::ptrdiff_t>(outputs), kept.end());
    in_every_way(
        [&] {
          const TensorView dqkv = unset(c.qkv());
          attention_backward(stream(), dqkv, tensor(c.y(), dy), tensor(c.y(), y),
                             tensor(c.rows(), log_sum_exp), tensor(c.qkv(), qkv), c.heads());
          return values(dqkv);
        },
        [&](const Floats& result) { expect_close(result, expected.dqkv, 2e-5, "backward"); });
  }
};

INSTANTIATE_TEST_SUITE_P(On, AttentionTest, test::all_backends(), test::backend_name);

// One block, several blocks of queries, tails of each; heads that share their keys and values by
// twos, threes, and all of them.
TEST_P(AttentionTest, AgreesWithPlainLoops) {
  for (const AttentionCase& c :
       {AttentionCase{1, 1, 1, 1, 1}, AttentionCase{2, 3, 2, 2, 5}, AttentionCase{2, 17, 3, 3, 7},
        AttentionCase{1, 131, 2, 2, 13}, AttentionCase{2, 3, 4, 2, 5},
        AttentionCase{1, 131, 6, 2, 5}, AttentionCase{1, 97, 3, 1, 4}}) {
    expect_plain_loops(c);
  }
}

// More keys than one piece of the CPU's (512); fewer for CUDA, whose tiles are smaller, since a
// virtual GPU takes long.
TEST_P(AttentionTest, AgreesWithPlainLoopsOnLongSequences) {
  expect_plain_loops({2, 256, 1, 1, 8});
  if (GetParam() == DeviceKind::cpu) {
    expect_plain_loops({1, 600, 3, 1, 4});
    expect_plain_loops({1, 1100, 1, 1, 5});
  }
}

// Of the usual widths, one less, one more; lengths that are a tile of 32, one less, one more.
TEST_P(AttentionTest, AgreesWithPlainLoopsOnWideHeads) {
  for (const AttentionCase& c :
       {AttentionCase{1, 64, 2, 2, 16}, AttentionCase{1, 31, 1, 1, 31},
        AttentionCase{1, 32, 2, 1, 32}, AttentionCase{1, 33, 1, 1, 33},
        AttentionCase{1, 65, 2, 2, 64}, AttentionCase{1, 17, 1, 1, 65},
        AttentionCase{1, 47, 2, 1, 127}, AttentionCase{2, 67, 1, 1, 128}}) {
    expect_plain_loops(c);
  }
}

TEST_P(AttentionTest, StandsScoresThatWouldOverflowAnExponential) {
  constexpr AttentionCase kCase{1, 200, 1, 1, 4};
  Floats in = normal_values(kCase.inputs(), "qkv");
  for (std::int64_t t = 0; t < kCase.T; ++t) {
    for (std::int64_t d = 0; d < 2 * kCase.D; ++d) {
      in[t * 3 * kCase.D + d] += static_cast<float>(t % 50);  // scores up to 5000
    }
  }
  const TensorView qkv = tensor(kCase.qkv(), in);
  const TensorView y = unset(kCase.y());
  const TensorView log_sum_exp = unset(kCase.rows());
  const TensorView dqkv = unset(kCase.qkv());
  attention(stream(), y, log_sum_exp, qkv, kCase.heads());
  attention_backward(stream(), dqkv, y, y, log_sum_exp, qkv, kCase.heads());
  for (const float value : values(y)) {
    ASSERT_LT(std::abs(value), 6.0F);
  }
  for (const float value : values(dqkv)) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace lockflight::ops
