#include "ops/cpu/attention.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {

static void PrintTo(const AttentionShape& shape, std::ostream* out) {
  *out << "B" << shape.batch << "_T" << shape.length << "_H" << shape.heads << "_K"
       << shape.key_value_heads << "_C" << shape.channels;
}

namespace {

// Attention and its gradient with one loop for every index, in double.
class PlainAttention {
 public:
  PlainAttention(const Floats& qkv, const Floats& dy, AttentionShape shape)
      : qkv_(qkv), dy_(dy), shape_(shape) {
    y.resize(dy.size());
    dqkv.resize(qkv.size());
    log_sum_exp.resize(static_cast<std::size_t>(shape.batch * shape.heads * shape.length));
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        for (std::int64_t t = 0; t < shape.length; ++t) {
          row(b, h, t);
        }
      }
    }
  }

  Doubles y;
  Doubles log_sum_exp;
  Doubles dqkv;

 private:
  std::int64_t D() const { return shape_.channels / shape_.heads; }
  std::size_t at(std::int64_t b, std::int64_t t, std::int64_t which, std::int64_t h,
                 std::int64_t d) const {
    const std::int64_t H = shape_.heads;
    const std::int64_t K = shape_.key_value_heads;
    const std::int64_t head = which == 0 ? h : H + (which - 1) * K + h / (H / K);
    return static_cast<std::size_t>(((b * shape_.length + t) * (H + 2 * K) + head) * D() + d);
  }
  std::size_t out(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) const {
    return static_cast<std::size_t>((b * shape_.length + t) * shape_.channels + h * D() + d);
  }
  double q(std::size_t i) const { return static_cast<double>(qkv_[i]); }

  void row(std::int64_t b, std::int64_t h, std::int64_t t) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(D()));
    Doubles p;
    double sum = 0.0;
    for (std::int64_t s = 0; s <= t; ++s) {
      double score = 0.0;
      for (std::int64_t d = 0; d < D(); ++d) {
        score += scale * q(at(b, t, 0, h, d)) * q(at(b, s, 1, h, d));
      }
      p.push_back(std::exp(score));
      sum += p.back();
    }
    log_sum_exp[static_cast<std::size_t>((b * shape_.heads + h) * shape_.length + t)] =
        std::log(sum);
    double delta = 0.0;
    for (std::int64_t d = 0; d < D(); ++d) {
      for (std::int64_t s = 0; s <= t; ++s) {
        y[out(b, t, h, d)] += p[s] / sum * q(at(b, s, 2, h, d));
      }
      delta += y[out(b, t, h, d)] * static_cast<double>(dy_[out(b, t, h, d)]);
    }
    for (std::int64_t s = 0; s <= t; ++s) {
      double dp = 0.0;
      for (std::int64_t d = 0; d < D(); ++d) {
        const double dy = static_cast<double>(dy_[out(b, t, h, d)]);
        dp += dy * q(at(b, s, 2, h, d));
        dqkv[at(b, s, 2, h, d)] += p[s] / sum * dy;
      }
      const double dscore = p[s] / sum * (dp - delta) * scale;
      for (std::int64_t d = 0; d < D(); ++d) {
        dqkv[at(b, t, 0, h, d)] += dscore * q(at(b, s, 1, h, d));
        dqkv[at(b, s, 1, h, d)] += dscore * q(at(b, t, 0, h, d));
      }
    }
  }

  const Floats& qkv_;
  const Floats& dy_;
  AttentionShape shape_;
};

class AttentionKernelTest : public testing::TestWithParam<AttentionShape> {};

// One block, several blocks of queries, several of keys (more than 512), tails of each; heads that
// share their keys and values by twos, threes, and all of them.
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionKernelTest,
    testing::Values(AttentionShape{1, 1, 1, 1, 1}, AttentionShape{2, 3, 2, 2, 10},
                    AttentionShape{2, 17, 3, 3, 21}, AttentionShape{1, 64, 2, 2, 32},
                    AttentionShape{1, 131, 2, 2, 26}, AttentionShape{2, 256, 1, 1, 8},
                    AttentionShape{1, 1100, 1, 1, 5}, AttentionShape{2, 3, 4, 2, 20},
                    AttentionShape{2, 131, 6, 2, 30}, AttentionShape{1, 600, 3, 1, 12}));

TEST_P(AttentionKernelTest, AgreesWithPlainLoopsForwardAndBackward) {
  const AttentionShape shape = GetParam();
  const std::int64_t outputs = shape.batch * shape.length * shape.channels;
  const std::int64_t rows = shape.batch * shape.length * shape.heads;
  const std::int64_t inputs =
      outputs + 2 * outputs / shape.heads * shape.key_value_heads;  // queries, keys, values
  const Floats qkv = normal_values(inputs, "qkv", 1.5);
  const Floats dy = normal_values(outputs, "dy");
  const PlainAttention expected(qkv, dy, shape);

  Doubles forward = expected.y;
  forward.insert(forward.end(), expected.log_sum_exp.begin(), expected.log_sum_exp.end());
  Floats kept;
  on_every_target(
      Floats(static_cast<std::size_t>(outputs + rows), NAN),
      [&](Team& team, float* y) { attention(team, y, y + outputs, qkv.data(), shape); },
      [&](const Floats& result) {
        expect_close(result, forward, 1e-5, "forward");
        kept = result;
      });
  on_every_target(
      Floats(qkv.size(), NAN),
      [&](Team& team, float* dqkv) {
        attention_backward(team, dqkv, dy.data(), kept.data(), kept.data() + outputs, qkv.data(),
                           shape);
      },
      [&](const Floats& result) { expect_close(result, expected.dqkv, 2e-5, "backward"); });
}

TEST(AttentionKernelTest, StandsScoresThatWouldOverflowAnExponential) {
  const AttentionShape shape{1, 600, 1, 1, 4};
  Floats qkv = normal_values(600 * 12, "qkv");
  for (std::int64_t t = 0; t < 600; ++t) {
    for (std::int64_t d = 0; d < 8; ++d) {
      qkv[t * 12 + d] = static_cast<float>(t % 50) + qkv[t * 12 + d];  // scores up to 5000
    }
  }
  Team team(1);
  Floats y(600 * 4);
  Floats log_sum_exp(600);
  attention(team, y.data(), log_sum_exp.data(), qkv.data(), shape);
  Floats dqkv(qkv.size());
  attention_backward(team, dqkv.data(), y.data(), y.data(), log_sum_exp.data(), qkv.data(), shape);
  for (const float value : y) {
    ASSERT_LT(std::abs(value), 6.0F);
  }
  for (const float value : dqkv) {
    ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
