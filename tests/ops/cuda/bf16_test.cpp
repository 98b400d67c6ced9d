// CUDA kernels on bf16.  Where activations have values that bf16 represents, a kernel computes the
// same as on f32, which is tested beside this folder, and rounds what it writes.

#include <array>
#include <functional>

#include "device/cuda/queue.h"
#include "ops/cuda/attention.h"
#include "ops/cuda/cross_entropy.h"
#include "ops/cuda/dropout.h"
#include "ops/cuda/elementwise.h"
#include "ops/cuda/embedding.h"
#include "ops/cuda/gelu.h"
#include "ops/cuda/layer_norm.h"
#include "ops/cuda/matmul.h"
#include "ops/cuda/mean_squared_error.h"
#include "ops/cuda/reduce.h"
#include "ops/cuda/rms_norm.h"
#include "ops/cuda/rope.h"
#include "ops/cuda/swiglu.h"
#include "ops/op_test.h"

namespace lockflight::ops::cuda {
namespace {

constexpr std::int64_t kN = 71;
constexpr std::int64_t kC = 133;
const Shape kShape = {kN, kC};

class Bf16Test : public OpTest {
 protected:
  using Results = std::vector<TensorView>;

  Queue& queue() { return *lockflight::cuda::open_queue(stream()); }

  /// Values that bf16 represents, as tensor of `type`.
  TensorView activation(DType type, const Shape& shape, std::string_view name) {
    const Bf16s rounded = to_bf16(normal_values(shape.elements(), name));
    return type == DType::bf16 ? tensor(shape, rounded) : tensor(shape, from_bf16(rounded));
  }
  TensorView parameter(const Shape& shape, std::string_view name) {
    return tensor(shape, normal_values(shape.elements(), name));
  }

  /// Has operate(type) run an operation on activations of that type and return what it wrote.
  void expect_the_same_rounded(const std::function<Results(DType)>& operate) {
    const Results f32 = operate(DType::f32);
    const Results bf16 = operate(DType::bf16);
    ASSERT_EQ(f32.size(), bf16.size());
    for (std::size_t i = 0; i < f32.size(); ++i) {
      SCOPED_TRACE(i);
      const bool rounded = bf16[i].dtype() == DType::bf16;
      const double tolerance = rounded ? 0x1p-8 : 1e-6;
      const Floats actual = floats(bf16[i]);
      const Floats expected = floats(f32[i]);
      for (std::size_t j = 0; j < expected.size(); ++j) {
        const auto exact = static_cast<double>(expected[j]);
        ASSERT_NEAR(static_cast<double>(actual[j]), exact, tolerance * std::abs(exact) + 1e-6)
            << "element " << j;
      }
    }
  }

 private:
  Floats floats(const TensorView& tensor) {
    if (tensor.dtype() == DType::f64) {
      return to_floats(values<double>(tensor));
    }
    return tensor.dtype() == DType::bf16 ? from_bf16(values<std::uint16_t>(tensor))
                                         : values(tensor);
  }
};

INSTANTIATE_TEST_SUITE_P(On, Bf16Test, testing::Values(DeviceKind::cuda), test::backend_name);

TEST_P(Bf16Test, ElementwiseOperations) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, kShape, "x");
    const TensorView y = activation(type, kShape, "y");
    const TensorView z = unset(kShape, type);
    const TensorView scaled = unset(kShape, type);
    const TensorView dropped = unset(kShape, type);
    const TensorView full = unset(kShape, type);
    add(queue(), z, x, y);
    scale(queue(), scaled, x, 0.7F);
    dropout(queue(), dropped, x, 0.3F, {.seed = 5});
    fill(queue(), full, 0.3F);
    return Results{z, scaled, dropped, full};
  });
}

TEST_P(Bf16Test, CopiesAndSumsThatChangeTheType) {
  for (const DType other : {DType::f32, DType::bf16}) {
    expect_the_same_rounded([&](DType type) {
      const TensorView x = activation(type, kShape, "x");
      const TensorView sum = activation(other, kShape, "y");
      const TensorView widened = unset(kShape, other);
      const TensorView from_other = activation(other, kShape, "z");
      const TensorView to_type = activation(type, kShape, "y");
      const TensorView copied = unset(kShape, type);
      accumulate(queue(), sum, x, 0.7F);
      copy(queue(), widened, x);
      accumulate(queue(), to_type, from_other, 0.7F);
      copy(queue(), copied, from_other);
      return Results{sum, widened, to_type, copied};
    });
  }
}

TEST_P(Bf16Test, Gelu) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, kShape, "x");
    const TensorView dy = activation(type, kShape, "dy");
    const TensorView bias = parameter({kC}, "bias");
    const TensorView dbias = filled({kC}, 0.5F);
    const std::array y = {unset(kShape, type), unset(kShape, type)};
    const std::array dx = {unset(kShape, type), unset(kShape, type)};
    gelu(queue(), y[0], x);
    bias_gelu(queue(), y[1], x, bias);
    gelu_backward(queue(), dx[0], dy, x);
    bias_gelu_backward(queue(), dx[1], dbias, dy, x, bias);
    return Results{y[0], y[1], dx[0], dx[1], dbias};
  });
}

TEST_P(Bf16Test, Swiglu) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, {kN, 2 * kC}, "x");
    const TensorView y = unset(kShape, type);
    const TensorView dx = unset(x.shape(), type);
    swiglu(queue(), y, x);
    swiglu_backward(queue(), dx, activation(type, kShape, "dy"), x);
    return Results{y, dx};
  });
}

TEST_P(Bf16Test, LayerNorm) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, kShape, "x");
    const TensorView dy = activation(type, kShape, "dy");
    const TensorView gain = parameter({kC}, "gain");
    const TensorView y = unset(kShape, type);
    const TensorView dx = unset(kShape, type);
    const TensorView mean = unset({kN});
    const TensorView rstd = unset({kN});
    const TensorView dgain = filled({kC}, 0.5F);
    const TensorView dbias = filled({kC}, 0.5F);
    layer_norm(queue(), y, mean, rstd, x, gain, parameter({kC}, "bias"), 1e-5F);
    layer_norm_backward_input(queue(), dx, dy, x, mean, rstd, gain);
    layer_norm_backward_weight(queue(), dgain, dbias, dy, x, mean, rstd);
    return Results{y, mean, rstd, dx, dgain, dbias};
  });
}

TEST_P(Bf16Test, RmsNorm) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, kShape, "x");
    const TensorView dy = activation(type, kShape, "dy");
    const TensorView gain = parameter({kC}, "gain");
    const TensorView y = unset(kShape, type);
    const TensorView dx = unset(kShape, type);
    const TensorView rstd = unset({kN});
    const TensorView dgain = filled({kC}, 0.5F);
    rms_norm(queue(), y, rstd, x, gain, 1e-5F);
    rms_norm_backward_input(queue(), dx, dy, x, rstd, gain);
    rms_norm_backward_weight(queue(), dgain, dy, x, rstd);
    return Results{y, rstd, dx, dgain};
  });
}

TEST_P(Bf16Test, Rope) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, {2, 17, 45}, "x");
    const TensorView dx = activation(type, {2, 17, 45}, "dx");
    rope(queue(), x, {.heads = 3, .head_width = 10});
    rope_backward(queue(), dx, {.heads = 3, .head_width = 10});
    return Results{x, dx};
  });
}

TEST_P(Bf16Test, Attention) {
  for (const std::int64_t D : {5, 64, 100}) {
    const Shape outputs = {1, 37, 2 * D};
    const Shape inputs = {1, 37, 4 * D};
    const AttentionHeads heads{.queries = 2, .key_values = 1};
    expect_the_same_rounded([&](DType type) {
      const TensorView qkv = activation(type, inputs, "qkv");
      const TensorView y = unset(outputs, type);
      const TensorView log_sum_exp = unset({1, 2, 37});
      const TensorView dqkv = unset(inputs, type);
      attention(queue(), y, log_sum_exp, qkv, heads);
      attention_backward(queue(), dqkv, activation(type, outputs, "dy"),
                         activation(type, outputs, "y"), log_sum_exp, qkv, heads);
      return Results{y, log_sum_exp, dqkv};
    });
  }
}

TEST_P(Bf16Test, Embedding) {
  constexpr std::int64_t kV = 11;
  constexpr std::int64_t kB = 2;
  constexpr std::int64_t kT = 17;
  const Shape outputs = {kB, kT, kC};
  expect_the_same_rounded([&](DType type) {
    const TensorView tokens = tensor({kB, kT}, tokens_below(kV, kB * kT));
    const TensorView y = unset(outputs, type);
    const TensorView dtoken = filled({kV, kC}, 0.5F);
    const TensorView dposition = filled({kT, kC}, 0.5F);
    embedding(queue(), y, tokens, parameter({kV, kC}, "tokens"), parameter({kT, kC}, "positions"));
    embedding_backward(queue(), dtoken, dposition, activation(type, outputs, "dy"), tokens);
    return Results{y, dtoken, dposition};
  });
}

TEST_P(Bf16Test, LossesAndSums) {
  expect_the_same_rounded([&](DType type) {
    const TensorView x = activation(type, kShape, "x");
    const TensorView targets = tensor({kN}, tokens_below(kC, kN));
    const TensorView losses = unset({kN});
    const TensorView dlogits = unset(kShape, type);
    const TensorView error = unset({});
    const TensorView dprediction = unset(kShape, type);
    const TensorView sums = filled({kC}, 0.5F);
    const TensorView average = unset({});
    const TensorView squares = unset({}, DType::f64);
    cross_entropy_with_gradient(queue(), losses, dlogits, x, targets, 0.37F);
    mean_squared_error(queue(), error, dprediction, x, activation(type, kShape, "target"), 3.0F);
    column_sum(queue(), sums, x);
    mean(queue(), average, x);
    sum_of_squares(queue(), squares, x);
    return Results{losses, dlogits, error, dprediction, sums, average, squares};
  });
}

TEST_P(Bf16Test, ProductsWithOutputOfEitherTypeAndABiasInF32) {
  constexpr std::int64_t kK = 48;
  expect_the_same_rounded([&](DType type) {
    const TensorView a = activation(type, {kN, kK}, "a");
    const TensorView b = activation(type, {kK, kC}, "b");
    const TensorView bias = type == DType::bf16
                                ? parameter({kC}, "bias")
                                : tensor({kC}, from_bf16(to_bf16(normal_values(kC, "bias"))));
    const TensorView c = unset(kShape, type);
    const TensorView gradient = filled({kK, kC}, 0.5F);  // of a weight, in f32
    matmul(queue(), c, a, b, {.bias = bias});
    matmul(queue(), gradient, a, activation(type, kShape, "dy"),
           {.transpose_a = true, .accumulate = true});
    return Results{c, gradient};
  });
}

}  // namespace
}  // namespace lockflight::ops::cuda
