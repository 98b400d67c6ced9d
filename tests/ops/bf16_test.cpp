// Operations on bf16.  Where activations have values that bf16 represents, an operation computes
// the same as on f32, which is tested beside this file, and rounds what it writes.

#include <array>
#include <functional>
#include <limits>

#include "lockflight/ops/attention.h"
#include "lockflight/ops/cross_entropy.h"
#include "lockflight/ops/dropout.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/embedding.h"
#include "lockflight/ops/gelu.h"
#include "lockflight/ops/layer_norm.h"
#include "lockflight/ops/matmul.h"
#include "lockflight/ops/mean_squared_error.h"
#include "lockflight/ops/reduce.h"
#include "lockflight/ops/rms_norm.h"
#include "lockflight/ops/rope.h"
#include "lockflight/ops/swiglu.h"
#include "ops/op_test.h"
#include "sanitized.h"

namespace lockflight::ops {
namespace {

// Tails of vectors, several blocks of rows, rows longer than a piece.
const Shape kShapes[] = {{1, 1}, {71, 133}, {131, 40}, {2, 16411}};

class Bf16Test : public OpTest {
 protected:
  using Results = std::vector<TensorView>;

  /// Values that bf16 represents, as tensor of `type`.
  TensorView activation(DType type, const Shape& shape, std::string_view name) {
    const Bf16s rounded = to_bf16(normal_values(shape.elements(), name));
    return type == DType::bf16 ? tensor(shape, rounded) : tensor(shape, from_bf16(rounded));
  }
  TensorView parameter(const Shape& shape, std::string_view name) {
    return tensor(shape, normal_values(shape.elements(), name));
  }

  /// Sums of products may be added up in another order than in f32.
  enum class Sums { alike, in_another_order };

  /// Has operate(type) run an operation on activations of that type and return what it wrote.  On a
  /// CPU, where bf16 is widened and computed on by the same kernels, all bits are those of f32
  /// rounded.
  void expect_the_same_rounded(const std::function<Results(DType)>& operate,
                               Sums sums = Sums::alike) {
    const bool exact = GetParam() == DeviceKind::cpu && sums == Sums::alike;
    std::vector<bool> rounded;  // of every element, whether it is bf16
    in_every_way(
        [&] {
          const Results results = operate(DType::bf16);
          rounded.clear();
          for (const TensorView& result : results) {
            rounded.insert(rounded.end(), static_cast<std::size_t>(result.elements()),
                           result.dtype() == DType::bf16);
          }
          return floats_of(results);
        },
        [&](const Floats& actual) {
          const Floats expected = floats_of(operate(DType::f32));
          ASSERT_EQ(actual.size(), expected.size());
          for (std::size_t i = 0; i < actual.size(); ++i) {
            const auto rounds = [&](float x) { return static_cast<float>(BFloat16(x)); };
            const float value = rounded[i] && exact ? rounds(expected[i]) : expected[i];
            const double tolerance = exact ? 0.0 : rounded[i] ? 0x1p-8 : 1e-6;
            ASSERT_NEAR(actual[i], value, tolerance * std::abs(value) + (exact ? 0.0 : 1e-5))
                << "element " << i;
          }
        },
        sums == Sums::alike ? Alignment::never_matters : Alignment::matters);
  }

 private:
  Floats floats_of(const Results& results) {
    Floats all;
    for (const TensorView& result : results) {
      all = joined(all, result.dtype() == DType::bf16 ? from_bf16(values<BFloat16>(result))
                                                      : values(result));
    }
    return all;
  }
};

INSTANTIATE_TEST_SUITE_P(On, Bf16Test, test::all_backends(), test::backend_name);

TEST_P(Bf16Test, CastsToTheNearestOfTwoEquallyNearToTheEvenOne) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Floats wide = {0.0F,      -0.0F,  1.0F,      0x1.01p0F,  0x1.03p0F,   0x1.010002p0F,
                 -0x1.3p1F, 1e-40F, kInfinity, -kInfinity, 0x1.fep127F, 0x1.ffp127F};
  for (const std::int64_t count : {1, 12, 15, 16, 33, 16384 + 7}) {
    SCOPED_TRACE(count);
    Floats x = normal_values(count, "x");
    std::copy_n(wide.begin(), std::min(wide.size(), x.size()), x.begin());
    const TensorView rounded = unset({count}, DType::bf16);
    const TensorView widened = unset({count});
    cast(stream(), rounded, tensor({count}, x));
    cast(stream(), widened, rounded);
    EXPECT_EQ(values<BFloat16>(rounded), to_bf16(x));
    EXPECT_EQ(values(widened), from_bf16(to_bf16(x)));
    cast(stream(), rounded, tensor({count}, to_bf16(x)));
    EXPECT_EQ(values<BFloat16>(rounded), to_bf16(x));
  }
}

TEST_P(Bf16Test, CastKeepsWhatIsNoNumber) {
  const TensorView rounded = unset({40}, DType::bf16);
  const auto nan = std::bit_cast<float>(0x7F800001U);  // its upper half alone would be infinity
  cast(stream(), rounded, filled({40}, nan));
  for (const float value : from_bf16(values<BFloat16>(rounded))) {
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST_P(Bf16Test, ElementwiseOperations) {
  for (const Shape& shape : kShapes) {
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, shape, "x");
      const TensorView y = activation(type, shape, "y");
      const TensorView sum = activation(type, shape, "sum");
      const TensorView z = unset(shape, type);
      const TensorView copied = unset(shape, type);
      const TensorView scaled = unset(shape, type);
      const TensorView dropped = unset(shape, type);
      const TensorView full = unset(shape, type);
      add(stream(), z, x, y);
      accumulate(stream(), sum, x, 0.7F);
      copy(stream(), copied, x);
      scale(stream(), scaled, x, 0.7F);
      dropout(stream(), dropped, x, 0.3F, {.seed = 5});
      fill(stream(), full, 0.3F);
      add(stream(), x, x, y);  // in place
      dropout(stream(), y, y, 0.3F, {.seed = 5});
      return Results{z, sum, copied, scaled, dropped, full, x, y};
    });
  }
}

TEST_P(Bf16Test, Gelu) {
  for (const Shape& shape : kShapes) {
    const Shape row = {shape.columns()};
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, shape, "x");
      const TensorView dy = activation(type, shape, "dy");
      const TensorView bias = parameter(row, "bias");
      const TensorView dbias = filled(row, 0.5F);
      const std::array y = {unset(shape, type), unset(shape, type)};
      const std::array dx = {unset(shape, type), unset(shape, type)};
      gelu(stream(), y[0], x);
      bias_gelu(stream(), y[1], x, bias);
      gelu_backward(stream(), dx[0], dy, x);
      bias_gelu_backward(stream(), dx[1], dbias, dy, x, bias);
      gelu_backward(stream(), dy, dy, x);
      return Results{y[0], y[1], dx[0], dx[1], dbias, dy};
    });
  }
}

TEST_P(Bf16Test, Swiglu) {
  for (const Shape& shape : kShapes) {
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, {shape.rows(), 2 * shape.columns()}, "x");
      const TensorView dy = activation(type, shape, "dy");
      const TensorView y = unset(shape, type);
      const TensorView dx = unset(x.shape(), type);
      swiglu(stream(), y, x);
      swiglu_backward(stream(), dx, dy, x);
      swiglu_backward(stream(), x, dy, x);
      return Results{y, dx, x};
    });
  }
}

TEST_P(Bf16Test, LayerNorm) {
  for (const Shape& shape : kShapes) {
    const Shape row = {shape.columns()};
    const Shape column = {shape.rows()};
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, shape, "x");
      const TensorView dy = activation(type, shape, "dy");
      const TensorView gain = parameter(row, "gain");
      const TensorView y = unset(shape, type);
      const TensorView mean = unset(column);
      const TensorView rstd = unset(column);
      const TensorView dgain = filled(row, 0.5F);
      const TensorView dbias = filled(row, 0.5F);
      layer_norm(stream(), y, mean, rstd, x, gain, parameter(row, "bias"));
      layer_norm_backward_weight(stream(), dgain, dbias, dy, x, mean, rstd);
      layer_norm_backward_input(stream(), dy, dy, x, mean, rstd, gain);
      return Results{y, mean, rstd, dy, dgain, dbias};
    });
  }
}

TEST_P(Bf16Test, RmsNorm) {
  for (const Shape& shape : kShapes) {
    const Shape row = {shape.columns()};
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, shape, "x");
      const TensorView dy = activation(type, shape, "dy");
      const TensorView gain = parameter(row, "gain");
      const TensorView y = unset(shape, type);
      const TensorView rstd = unset({shape.rows()});
      const TensorView dgain = filled(row, 0.5F);
      rms_norm(stream(), y, rstd, x, gain);
      rms_norm_backward_weight(stream(), dgain, dy, x, rstd);
      rms_norm_backward_input(stream(), dy, dy, x, rstd, gain);
      return Results{y, rstd, dy, dgain};
    });
  }
}

TEST_P(Bf16Test, Rope) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, {2, 17, 45}, "x");
    const TensorView dx = activation(type, {2, 17, 45}, "dx");
    rope(stream(), x, {.heads = 3, .head_width = 10});
    rope_backward(stream(), dx, {.heads = 3, .head_width = 10});
    return Results{x, dx};
  });
}

TEST_P(Bf16Test, Attention) {
  struct Case {
    std::int64_t T;
    std::int64_t D;
  };
  for (const auto& [T, D] : {Case{1, 100}, Case{37, 64}, Case{130, 5}}) {
    const Shape outputs = {2, T, 4 * D};
    const Shape inputs = {2, T, 8 * D};
    const Shape row_of_each_head = {2, 4, T};
    const AttentionHeads heads{.queries = 4, .key_values = 2};
    expect_the_same_rounded(
        [&](DType type) {
          const TensorView qkv = activation(type, inputs, "qkv");
          const TensorView y = unset(outputs, type);
          const TensorView log_sum_exp = unset(row_of_each_head);
          const TensorView dqkv = unset(inputs, type);
          attention(stream(), y, log_sum_exp, qkv, heads);
          attention_backward(stream(), dqkv, activation(type, outputs, "dy"),
                             activation(type, outputs, "y"), log_sum_exp, qkv, heads);
          return Results{y, log_sum_exp, dqkv};
        },
        Sums::in_another_order);
  }
}

TEST_P(Bf16Test, Embedding) {
  constexpr std::int64_t kV = 11;
  constexpr std::int64_t kC = 133;
  const Shape outputs = {2, 17, kC};
  expect_the_same_rounded([&](DType type) {
    const TensorView tokens = tensor({2, 17}, tokens_below(kV, 2 * 17));
    const TensorView table = parameter({kV, kC}, "tokens");
    const TensorView y = unset(outputs, type);
    const TensorView without_positions = unset(outputs, type);
    const TensorView dtoken = filled({kV, kC}, 0.5F);
    const TensorView dposition = filled({17, kC}, 0.5F);
    embedding(stream(), y, tokens, table, parameter({17, kC}, "positions"));
    embedding(stream(), without_positions, tokens, table, {});
    embedding_backward(stream(), dtoken, dposition, activation(type, outputs, "dy"), tokens);
    return Results{y, without_positions, dtoken, dposition};
  });
}

TEST_P(Bf16Test, LossesAndSums) {
  for (const Shape& shape : kShapes) {
    const std::int64_t rows = shape.rows();
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, shape, "x");
      const TensorView targets = tensor({rows}, tokens_below(shape.columns(), rows));
      const TensorView losses = unset({rows});
      const TensorView losses_alone = unset({rows});
      const TensorView error = unset({});
      const TensorView dprediction = unset(shape, type);
      const TensorView sums = filled({shape.columns()}, 0.5F);
      mean_squared_error(stream(), error, dprediction, x, activation(type, shape, "target"), 3.0F);
      column_sum(stream(), sums, x);
      cross_entropy(stream(), losses_alone, x, targets);
      cross_entropy_with_gradient(stream(), losses, x, x, targets, 0.37F);
      return Results{losses, losses_alone, x, error, dprediction, sums};
    });
  }
}

// Below and beyond one piece of the CPU's (128 x 384).
TEST_P(Bf16Test, ProductsWithResultsOfEitherTypeAndABiasInF32) {
  struct Case {
    std::int64_t m;
    std::int64_t n;
    std::int64_t k;
  };
  for (const auto& [m, n, k] :
       {Case{1, 1, 1}, Case{3, 7, 17}, Case{71, 133, 48}, Case{131, 389, 8}}) {
    for (int variant = 0; variant < 16; variant += lockflight::test::kSanitized ? 5 : 1) {
      const MatmulOptions options{.transpose_a = (variant & 1) != 0,
                                  .transpose_b = (variant & 2) != 0,
                                  .accumulate = (variant & 4) != 0};
      const bool biased = (variant & 8) != 0;
      SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << " variant " << variant);
      const Shape left = options.transpose_a ? Shape{k, m} : Shape{m, k};
      const Shape right = options.transpose_b ? Shape{n, k} : Shape{k, n};
      const Shape result = {m, n};
      const Shape row = {n};
      expect_the_same_rounded(
          [&](DType type) {
            const TensorView a = activation(type, left, "a");
            const TensorView b = activation(type, right, "b");
            // What is overwritten is not read.
            const TensorView c =
                options.accumulate ? activation(type, result, "c") : unset(result, type);
            const TensorView in_f32 =
                options.accumulate ? activation(DType::f32, result, "c") : unset(result);
            MatmulOptions with_bias = options;
            if (biased) {  // which some libraries round before they add it
              with_bias.bias = tensor(row, from_bf16(to_bf16(normal_values(row.elements(), "x"))));
            }
            matmul(stream(), c, a, b, with_bias);
            matmul(stream(), in_f32, a, b, with_bias);
            return Results{c, in_f32};
          },
          Sums::in_another_order);
    }
  }
}

}  // namespace
}  // namespace lockflight::ops
