// Layers in bf16.  Where parameters and inputs have values that bf16 represents, a layer gives what
// it gives in f32, but for roundings on the way.

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend.h"
#include "lockflight/core/bfloat16.h"
#include "lockflight/core/host_tensor.h"
#include "lockflight/core/random.h"
#include "lockflight/nn/attention_half.h"
#include "lockflight/nn/cross_entropy.h"
#include "lockflight/nn/dropout.h"
#include "lockflight/nn/embedding.h"
#include "lockflight/nn/gelu.h"
#include "lockflight/nn/head.h"
#include "lockflight/nn/llama_attention_half.h"
#include "lockflight/nn/llama_mlp_half.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/nn/mlp_half.h"
#include "lockflight/nn/residual.h"

namespace lockflight::nn {
namespace {

using Floats = std::vector<float>;

// Largest differences allowed, in units of the largest element: a half unit in the last of 8 places
// where something is rounded once, more where a layer has several operations.
constexpr double kOneRounding = 0x1p-8;
constexpr double kSeveralRoundings = 0x1p-5;

struct Named {
  std::string name;
  Floats values;
};
using Outcome = std::vector<Named>;

class Bf16LayersTest : public test::BackendTest {
 protected:
  using Make = std::function<std::unique_ptr<Layer>(DType)>;

  /// Expects of both types the same outputs, gradients of inputs and gradients of parameters.
  void expect_the_same(const Make& make, const Shape& input, double tolerance) {
    compare(run(*make(DType::bf16), {input, DType::bf16}), run(*make(DType::f32), {input}),
            tolerance);
  }

  void compare(const Outcome& bf16, const Outcome& f32, double tolerance) {
    ASSERT_EQ(bf16.size(), f32.size());
    for (std::size_t k = 0; k < f32.size(); ++k) {
      const Floats& expected = f32[k].values;
      ASSERT_EQ(bf16[k].values.size(), expected.size()) << f32[k].name;
      double largest = 0;
      for (const float value : expected) {
        largest = std::max(largest, std::abs(static_cast<double>(value)));
      }
      EXPECT_GT(largest, 0) << f32[k].name;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(bf16[k].values[i], expected[i], tolerance * largest)
            << f32[k].name << ", element " << i;
      }
    }
  }

  Outcome run(Layer& layer, const TensorSpec& input) {
    const auto stream = device().make_stream(StreamRole::compute);
    for (Parameter* parameter : layer.parameters()) {
      parameter->materialize(device(), *stream, 1);
      const Floats values = drawn(parameter->elements(), parameter->name(), 0.3);
      parameter->set(*stream, values);
      device().synchronize();
    }
    Context context(*stream);
    Saved saved;
    Outcome outcome;
    Tensor y = layer.forward(context, tensor(*stream, input, "x"), saved);
    const bool learns = input.dtype != DType::i32;
    if (learns) {
      EXPECT_EQ(y.spec().dtype, input.dtype);
    }
    const TensorSpec output = y.spec();
    outcome.push_back({"y", floats(*stream, y)});
    y = Tensor();
    const Tensor dx = layer.backward_input(context, tensor(*stream, output, "dy"), saved);
    EXPECT_EQ(static_cast<bool>(dx), learns);
    if (learns) {
      EXPECT_EQ(dx.spec(), input);
      outcome.push_back({"dx", floats(*stream, dx)});
    }
    layer.backward_weight(context, saved);
    for (Parameter* parameter : layer.parameters()) {
      EXPECT_EQ(parameter->grad().dtype(), DType::f32);
      outcome.push_back({parameter->name(), floats(*stream, parameter->grad())});
      parameter->dematerialize();
    }
    return outcome;
  }

  Outcome run(Loss& loss, const TensorSpec& output, const TensorSpec& target) {
    const auto stream = device().make_stream(StreamRole::compute);
    Context context(*stream);
    Saved saved;
    Tensors outputs;
    outputs.push_back(tensor(*stream, output, "y"));
    const Tensor targets = tensor(*stream, target, "t");
    const Tensor value = device().empty({});
    loss.forward(context, std::move(outputs), {targets}, 0.25F, value, saved);
    const Tensors gradients = loss.backward(context, saved);
    EXPECT_EQ(gradients.at(0).spec(), output);
    return {{"loss", floats(*stream, value)}, {"gradient", floats(*stream, gradients[0])}};
  }

 private:
  /// Values that bf16 represents.
  static Floats drawn(std::int64_t count, std::string_view name, double deviation) {
    Random random({.seed = hash_name(name)});
    Floats values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = static_cast<float>(BFloat16(static_cast<float>(deviation * random.next_normal())));
    }
    return values;
  }

  /// Tokens are 0 or 1.
  Tensor tensor(Stream& stream, const TensorSpec& spec, std::string_view name) {
    const Floats values = drawn(spec.elements(), name, 1.0);
    std::vector<BFloat16> rounded;
    std::vector<std::int32_t> tokens;
    for (const float value : values) {
      rounded.emplace_back(value);
      tokens.push_back(value > 0 ? 1 : 0);
    }
    Tensor made = device().empty(spec);
    stream.upload(made, spec.dtype == DType::bf16  ? static_cast<const void*>(rounded.data())
                        : spec.dtype == DType::i32 ? static_cast<const void*>(tokens.data())
                                                   : values.data());
    device().synchronize();
    return made;
  }

  Floats floats(Stream& stream, const TensorView& view) {
    HostTensor host(view.spec());
    stream.download(host.data(), view);
    device().synchronize();
    if (view.dtype() == DType::f32) {
      return {host.as<float>().begin(), host.as<float>().end()};
    }
    Floats values;
    for (const BFloat16 value : host.as<BFloat16>()) {
      values.push_back(static_cast<float>(value));
    }
    return values;
  }
};

INSTANTIATE_TEST_SUITE_P(On, Bf16LayersTest, test::all_backends(), test::backend_name);

TEST_P(Bf16LayersTest, LinearWithBiasAndWithout) {
  for (const bool bias : {true, false}) {
    expect_the_same(
        [&](DType dtype) {
          return std::make_unique<Linear>(
              LinearConfig{.inputs = 12, .outputs = 20, .bias = bias, .dtype = dtype});
        },
        {3, 5, 12}, kOneRounding);
  }
}

TEST_P(Bf16LayersTest, Head) {
  expect_the_same(
      [](DType dtype) {
        return std::make_unique<Head>(HeadConfig{.width = 12, .vocabulary = 17, .dtype = dtype});
      },
      {2, 7, 12}, kOneRounding);
}

TEST_P(Bf16LayersTest, NormsGeluDropoutAndResidual) {
  expect_the_same([](DType) { return std::make_unique<LayerNorm>(33); }, {2, 7, 33}, kOneRounding);
  expect_the_same([](DType) { return std::make_unique<RmsNorm>(33); }, {2, 7, 33}, kOneRounding);
  expect_the_same([](DType) { return std::make_unique<Gelu>(); }, {2, 7, 33}, kOneRounding);
  expect_the_same([](DType) { return std::make_unique<Dropout>(0.3F); }, {2, 7, 33}, kOneRounding);
  expect_the_same([](DType) { return std::make_unique<Residual>(std::make_unique<RmsNorm>(33)); },
                  {2, 7, 33}, kSeveralRoundings);
}

TEST_P(Bf16LayersTest, HalvesOfABlockOfGpt2) {
  for (const float dropout : {0.0F, 0.2F}) {
    expect_the_same(
        [&](DType dtype) {
          return std::make_unique<AttentionHalf>(
              SelfAttentionConfig{.width = 24, .heads = 3, .dropout = dropout, .dtype = dtype});
        },
        {2, 9, 24}, kSeveralRoundings);
    expect_the_same(
        [&](DType dtype) {
          return std::make_unique<MlpHalf>(
              MlpHalfConfig{.width = 24, .hidden = 40, .dropout = dropout, .dtype = dtype});
        },
        {2, 9, 24}, kSeveralRoundings);
  }
}

TEST_P(Bf16LayersTest, HalvesOfABlockOfLlama) {
  expect_the_same(
      [](DType dtype) {
        return std::make_unique<LlamaAttentionHalf>(LlamaAttentionHalfConfig{
            .width = 24, .heads = 4, .key_value_heads = 2, .dtype = dtype});
      },
      {2, 9, 24}, kSeveralRoundings);
  expect_the_same(
      [](DType dtype) {
        return std::make_unique<LlamaMlpHalf>(
            LlamaMlpHalfConfig{.width = 24, .hidden = 40, .dtype = dtype});
      },
      {2, 9, 24}, kSeveralRoundings);
}

TEST_P(Bf16LayersTest, EmbeddingMakesActivationsOfItsType) {
  for (const bool drops : {true, false}) {
    Outcome outcomes[2];
    for (const DType dtype : {DType::f32, DType::bf16}) {
      Embedding layer({.vocabulary = 2,
                       .context = 9,
                       .width = 24,
                       .positions = drops,
                       .dropout = drops ? 0.2F : 0.0F,
                       .dtype = dtype});
      outcomes[dtype == DType::bf16 ? 1 : 0] = run(layer, {{3, 7}, DType::i32});
    }
    compare(outcomes[1], outcomes[0], drops ? kSeveralRoundings : kOneRounding);
  }
}

TEST_P(Bf16LayersTest, Losses) {
  CrossEntropy tokens;
  const TensorSpec targets{{3, 7}, DType::i32};
  compare(run(tokens, {{3, 7, 11}, DType::bf16}, targets), run(tokens, {{3, 7, 11}}, targets),
          kOneRounding);
  MeanSquaredError squares;
  const TensorSpec half{{3, 7}, DType::bf16};
  compare(run(squares, half, half), run(squares, {{3, 7}}, {{3, 7}}), kOneRounding);
}

}  // namespace
}  // namespace lockflight::nn
