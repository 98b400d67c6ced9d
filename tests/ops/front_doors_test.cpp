// The doors in front of the kernels: that each passes its arguments on to the right kernel in the
// right order, checks them, and accounts for the work on a meta device. What kernels compute is
// tested in tests/ops/cpu.

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/ops/adamw.h"
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
#include "lockflight/ops/sgd.h"
#include "lockflight/ops/swiglu.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/embedding.h"
#include "ops/cpu/gelu.h"
#include "ops/cpu/kernel_checks.h"
#include "ops/cpu/layer_norm.h"
#include "ops/cpu/rms_norm.h"
#include "ops/cpu/rope.h"
#include "ops/cpu/swiglu.h"

namespace lockflight::ops {
namespace {

using cpu::Floats;
using cpu::normal_values;
using testing::ElementsAre;
using testing::HasSubstr;

class FrontDoorTest : public testing::Test {
 protected:
  Tensor empty(const Shape& shape, DType dtype = DType::f32) {
    return device_->empty({shape, dtype});
  }

  template <class T>
  Tensor tensor(const Shape& shape, const std::vector<T>& values, DType dtype) {
    Tensor made = empty(shape, dtype);
    stream_->upload(made, values.data());
    device_->synchronize();
    return made;
  }
  Tensor tensor(const Shape& shape, const Floats& values) {
    return tensor(shape, values, DType::f32);
  }
  Tensor tokens(const Shape& shape, const std::vector<std::int32_t>& values) {
    return tensor(shape, values, DType::i32);
  }
  Tensor normal(const Shape& shape, std::string_view name) {
    return tensor(shape, normal_values(shape.elements(), name));
  }
  Tensor zeros(const Shape& shape) {
    return tensor(shape, Floats(static_cast<std::size_t>(shape.elements())));
  }

  template <class T = float>
  std::vector<T> values(const TensorView& tensor) {
    std::vector<T> read(static_cast<std::size_t>(tensor.elements()));
    stream_->download(read.data(), tensor);
    device_->synchronize();
    return read;
  }

  /// What the call says when it refuses.
  static std::string refusal(const std::function<void()>& call) {
    try {
      call();
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "nothing was refused";
  }

  const std::unique_ptr<Device> device_ = make_cpu_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  Stream& stream = *stream_;
  cpu::Team team{1};
};

TEST_F(FrontDoorTest, MatmulMultipliesTheRowsOfTensors) {
  const Tensor a = tensor({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = tensor({3, 2}, {1, 0, 0, 1, 1, 1});
  const Tensor bias = tensor({2}, {10, 20});
  const Tensor c = empty({1, 2, 2});
  matmul(stream, c, a, b, {.bias = bias});
  EXPECT_THAT(values(c), ElementsAre(14, 25, 20, 31));
  matmul(stream, c, a, b, {.accumulate = true});
  EXPECT_THAT(values(c), ElementsAre(18, 30, 30, 42));
  const Tensor gradient = empty({3, 3});
  matmul(stream, gradient, a, a, {.transpose_a = true});
  EXPECT_THAT(values(gradient), ElementsAre(17, 22, 27, 22, 29, 36, 27, 36, 45));
  const Tensor gram = empty({2, 2});
  matmul(stream, gram, a, a, {.transpose_b = true});
  EXPECT_THAT(values(gram), ElementsAre(14, 32, 32, 77));
}

TEST_F(FrontDoorTest, MatmulRefusesWhatDoesNotFit) {
  const Tensor a = zeros({2, 3});
  const Tensor b = zeros({2, 4});
  const Tensor c = zeros({2, 4});
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, b); }),
            "matmul: a [2, 3] and b [2, 4] do not share their inner extent");
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, b, {.transpose_a = true}); }),
            "matmul: c has shape [2, 4], expected 3 rows of 4 to match a [2, 3] and b [2, 4]");
  const Tensor d = zeros({3, 4});
  EXPECT_EQ(refusal([&] { matmul(stream, d, a, b, {.transpose_a = true, .bias = a}); }),
            "matmul: bias has shape [2, 3], expected [4] to match the columns of c");
  const Tensor half = empty({2, 4}, DType::bf16);
  EXPECT_EQ(refusal([&] { matmul(stream, c, half, b); }), "matmul: a has type bf16, expected f32");
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, TensorView()); }),
            "matmul: b is an empty tensor; allocate it first");
}

TEST_F(FrontDoorTest, LayerNormPassesItsArgumentsOn) {
  const Tensor x = normal({2, 3, 5}, "x");
  const Tensor dy = normal({2, 3, 5}, "dy");
  const Tensor gain = normal({5}, "gain");
  const Tensor bias = normal({5}, "bias");
  const Tensor y = empty({2, 3, 5});
  const Tensor mean = empty({2, 3});
  const Tensor rstd = empty({6});
  layer_norm(stream, y, mean, rstd, x, gain, bias, 0.1F);
  const Tensor dx = empty({2, 3, 5});
  layer_norm_backward_input(stream, dx, dy, x, mean, rstd, gain);
  const Tensor dgain = zeros({5});
  const Tensor dbias = zeros({5});
  layer_norm_backward_weight(stream, dgain, dbias, dy, x, mean, rstd);

  Floats expected_y(30), mu(6), scale(6), expected_dx(30), expected_dgain(5), expected_dbias(5);
  const Floats in = values(x), d = values(dy), g = values(gain), b = values(bias);
  cpu::layer_norm(team, expected_y.data(), mu.data(), scale.data(), in.data(), g.data(), b.data(),
                  {6, 5}, 0.1F);
  cpu::layer_norm_backward_input(team, expected_dx.data(), d.data(), in.data(), mu.data(),
                                 scale.data(), g.data(), {6, 5});
  cpu::layer_norm_backward_weight(team, expected_dgain.data(), expected_dbias.data(), d.data(),
                                  in.data(), mu.data(), scale.data(), {6, 5});
  EXPECT_EQ(values(y), expected_y);
  EXPECT_EQ(values(mean), mu);
  EXPECT_EQ(values(rstd), scale);
  EXPECT_EQ(values(dx), expected_dx);
  EXPECT_EQ(values(dgain), expected_dgain);
  EXPECT_EQ(values(dbias), expected_dbias);

  const Tensor narrow = zeros({4});
  EXPECT_EQ(refusal([&] { layer_norm(stream, y, mean, rstd, x, narrow, bias); }),
            "layer_norm: gain has shape [4], expected [5] to match x");
  EXPECT_EQ(refusal([&] { layer_norm(stream, y, narrow, rstd, x, gain, bias); }),
            "layer_norm: mean has shape [4], expected 6 elements for the rows of x");
}

TEST_F(FrontDoorTest, GeluPassesItsArgumentsOn) {
  const Tensor x = normal({3, 7}, "x");
  const Tensor dy = normal({3, 7}, "dy");
  const Tensor bias = normal({7}, "bias");
  const Tensor y = empty({3, 7});
  const Tensor biased_y = empty({3, 7});
  const Tensor dx = empty({3, 7});
  const Tensor biased_dx = empty({3, 7});
  const Tensor dbias = zeros({7});
  gelu(stream, y, x);
  bias_gelu(stream, biased_y, x, bias);
  gelu_backward(stream, dx, dy, x);
  bias_gelu_backward(stream, biased_dx, dbias, dy, x, bias);

  const Floats in = values(x), d = values(dy), b = values(bias);
  Floats expected(21), expected_dbias(7);
  cpu::gelu(team, expected.data(), in.data(), nullptr, {3, 7});
  EXPECT_EQ(values(y), expected);
  cpu::gelu(team, expected.data(), in.data(), b.data(), {3, 7});
  EXPECT_EQ(values(biased_y), expected);
  cpu::gelu_backward(team, expected.data(), d.data(), in.data(), {3, 7});
  EXPECT_EQ(values(dx), expected);
  cpu::bias_gelu_backward(team, expected.data(), expected_dbias.data(), d.data(), in.data(),
                          b.data(), {3, 7});
  EXPECT_EQ(values(biased_dx), expected);
  EXPECT_EQ(values(dbias), expected_dbias);
  EXPECT_EQ(refusal([&] { gelu(stream, bias, x); }),
            "gelu: y has shape [7], expected [3, 7] to match x");
}

TEST_F(FrontDoorTest, RmsNormPassesItsArgumentsOn) {
  const Tensor x = normal({2, 3, 5}, "x");
  const Tensor dy = normal({2, 3, 5}, "dy");
  const Tensor gain = normal({5}, "gain");
  const Tensor y = empty({2, 3, 5});
  const Tensor rstd = empty({2, 3});
  rms_norm(stream, y, rstd, x, gain, 0.1F);
  const Tensor dx = empty({2, 3, 5});
  rms_norm_backward_input(stream, dx, dy, x, rstd, gain);
  const Tensor dgain = zeros({5});
  rms_norm_backward_weight(stream, dgain, dy, x, rstd);

  Floats expected_y(30), scale(6), expected_dx(30), expected_dgain(5);
  const Floats in = values(x), d = values(dy), g = values(gain);
  cpu::rms_norm(team, expected_y.data(), scale.data(), in.data(), g.data(), {6, 5}, 0.1F);
  cpu::rms_norm_backward_input(team, expected_dx.data(), d.data(), in.data(), scale.data(),
                               g.data(), {6, 5});
  cpu::rms_norm_backward_weight(team, expected_dgain.data(), d.data(), in.data(), scale.data(),
                                {6, 5});
  EXPECT_EQ(values(y), expected_y);
  EXPECT_EQ(values(rstd), scale);
  EXPECT_EQ(values(dx), expected_dx);
  EXPECT_EQ(values(dgain), expected_dgain);

  const Tensor narrow = zeros({4});
  EXPECT_EQ(refusal([&] { rms_norm(stream, y, rstd, x, narrow); }),
            "rms_norm: gain has shape [4], expected [5] to match x");
  EXPECT_EQ(refusal([&] { rms_norm_backward_input(stream, narrow, dy, x, rstd, gain); }),
            "rms_norm_backward_input: dx has shape [4], expected [2, 3, 5] to match x");
  EXPECT_EQ(refusal([&] { rms_norm_backward_weight(stream, dgain, dy, x, narrow); }),
            "rms_norm_backward_weight: rstd has shape [4], expected 6 elements for the rows of x");
}

TEST_F(FrontDoorTest, SwigluPassesItsArgumentsOn) {
  const Tensor x = normal({2, 3, 10}, "x");
  const Tensor dy = normal({2, 3, 5}, "dy");
  const Tensor y = empty({2, 3, 5});
  const Tensor dx = empty({2, 3, 10});
  swiglu(stream, y, x);
  swiglu_backward(stream, dx, dy, x);
  Floats expected_y(30), expected_dx(60);
  const Floats in = values(x), d = values(dy);
  cpu::swiglu(team, expected_y.data(), in.data(), {6, 5});
  cpu::swiglu_backward(team, expected_dx.data(), d.data(), in.data(), {6, 5});
  EXPECT_EQ(values(y), expected_y);
  EXPECT_EQ(values(dx), expected_dx);

  EXPECT_EQ(refusal([&] { swiglu(stream, x, x); }),
            "swiglu: x has shape [2, 3, 10], expected 6 rows of 20, twice as wide as y [2, 3, 10]");
  EXPECT_EQ(refusal([&] { swiglu_backward(stream, dy, dy, x); }),
            "swiglu_backward: dx has shape [2, 3, 5], expected [2, 3, 10] to match x");
}

TEST_F(FrontDoorTest, RopePassesItsArgumentsOn) {
  const Tensor x = normal({2, 3, 14}, "x");
  const cpu::RopeShape shape{.batch = 2, .length = 3, .columns = 14, .heads = 2, .head_width = 6};
  Floats expected = values(x);
  rope(stream, x, {.heads = 2, .head_width = 6, .base = 100});
  cpu::rope(team, expected.data(), shape, 100.0);
  EXPECT_EQ(values(x), expected);
  rope_backward(stream, x, {.heads = 2, .head_width = 6});
  cpu::rope_backward(team, expected.data(), shape, 10000.0);
  EXPECT_EQ(values(x), expected);

  EXPECT_EQ(refusal([&] { rope(stream, x, {.heads = 3, .head_width = 6}); }),
            "rope: x has shape [2, 3, 14], too narrow for 3 heads of 6 channels");
  EXPECT_THAT(refusal([&] { rope(stream, x, {.heads = 2, .head_width = 7}); }),
              HasSubstr("2 heads of 7 channels cannot be rotated in pairs"));
  EXPECT_THAT(refusal([&] { rope_backward(stream, x, {.heads = 2, .head_width = 6, .base = 0}); }),
              HasSubstr("rope_backward: the base of the angles is 0"));
  const Tensor flat = empty({6, 14});
  EXPECT_EQ(refusal([&] { rope_backward(stream, flat, {.heads = 2, .head_width = 6}); }),
            "rope_backward: dx has shape [6, 14], expected [B, T, columns]");
}

TEST_F(FrontDoorTest, AttentionPassesItsArgumentsOn) {
  const cpu::AttentionShape shape{
      .batch = 2, .length = 5, .heads = 4, .key_value_heads = 2, .channels = 8};
  const AttentionHeads heads{.queries = 4, .key_values = 2};
  const Tensor qkv = normal({2, 5, 16}, "qkv");
  const Tensor dy = normal({2, 5, 8}, "dy");
  const Tensor y = empty({2, 5, 8});
  const Tensor log_sum_exp = empty({2, 4, 5});
  const Tensor dqkv = empty({2, 5, 16});
  attention(stream, y, log_sum_exp, qkv, heads);
  attention_backward(stream, dqkv, dy, y, log_sum_exp, qkv, heads);

  const Floats in = values(qkv), d = values(dy);
  Floats expected_y(80), expected_lse(40), expected_dqkv(160);
  cpu::attention(team, expected_y.data(), expected_lse.data(), in.data(), shape);
  cpu::attention_backward(team, expected_dqkv.data(), d.data(), expected_y.data(),
                          expected_lse.data(), in.data(), shape);
  EXPECT_EQ(values(y), expected_y);
  EXPECT_EQ(values(log_sum_exp), expected_lse);
  EXPECT_EQ(values(dqkv), expected_dqkv);

  EXPECT_EQ(refusal([&] {
              attention(stream, y, log_sum_exp, qkv, {3, 3});
            }),
            "attention: 3 heads do not divide the 8 channels of y evenly");
  EXPECT_EQ(refusal([&] {
              attention(stream, y, log_sum_exp, qkv, {4, 3});
            }),
            "attention: 4 heads cannot share 3 heads of keys and values evenly");
  EXPECT_EQ(refusal([&] {
              attention(stream, y, log_sum_exp, qkv, {4, 0});
            }),
            "attention: 4 heads cannot share 0 heads of keys and values evenly");
  EXPECT_EQ(refusal([&] {
              attention(stream, y, log_sum_exp, qkv, {4, 4});
            }),
            "attention: qkv has shape [2, 5, 16], expected [2, 5, 24] to match y and the heads");
}

TEST_F(FrontDoorTest, EmbeddingPassesItsArgumentsOn) {
  const Tensor ids = tokens({2, 2}, {0, 2, 2, 1});
  const Tensor table = tensor({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor positions = tensor({3, 2}, {10, 20, 30, 40, 50, 60});
  const Tensor y = empty({2, 2, 2});
  embedding(stream, y, ids, table, positions);
  EXPECT_THAT(values(y), ElementsAre(11, 22, 35, 46, 15, 26, 33, 44));
  const Tensor dtable = zeros({3, 2});
  const Tensor dpositions = zeros({3, 2});
  embedding_backward(stream, dtable, dpositions, y, ids);
  EXPECT_THAT(values(dtable), ElementsAre(11, 22, 33, 44, 50, 72));
  EXPECT_THAT(values(dpositions), ElementsAre(26, 48, 68, 90, 0, 0));
  embedding(stream, y, ids, table, TensorView());
  EXPECT_THAT(values(y), ElementsAre(1, 2, 5, 6, 5, 6, 3, 4));

  EXPECT_THAT(refusal([&] { embedding(stream, y, table, table, positions); }),
              HasSubstr("tokens has type f32, expected i32"));
  const Tensor one_position = zeros({1, 2});
  EXPECT_THAT(refusal([&] { embedding(stream, y, ids, table, one_position); }),
              HasSubstr("has 1 positions, but there are 2 tokens in a row"));
}

TEST_F(FrontDoorTest, ATokenOutsideTheVocabularyFailsTheDevice) {
  const Tensor ids = tokens({1, 2}, {0, 3});
  const Tensor table = zeros({3, 2});
  const Tensor y = empty({1, 2, 2});
  embedding(stream, y, ids, table, TensorView());
  try {
    device_->synchronize();
    FAIL() << "nothing failed";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "embedding: token 3 at position 1 is outside the vocabulary of 3");
  }
}

TEST_F(FrontDoorTest, LossesPassTheirArgumentsOn) {
  const Tensor logits = tensor({2, 2}, {0, 0, 0, std::log(3.0F)});
  const Tensor targets = tokens({2}, {1, 0});
  const Tensor losses = empty({2});
  const Tensor dlogits = empty({2, 2});
  const float log2 = std::log(2.0F);
  const float log4 = std::log(4.0F);
  cross_entropy(stream, losses, logits, targets);
  EXPECT_THAT(values(losses), ElementsAre(testing::FloatEq(log2), testing::FloatEq(log4)));
  cross_entropy_with_gradient(stream, losses, dlogits, logits, targets, 2.0F);
  EXPECT_THAT(values(losses), ElementsAre(testing::FloatEq(log2), testing::FloatEq(log4)));
  EXPECT_THAT(values(dlogits),
              testing::Pointwise(testing::FloatNear(1e-6F), Floats{1, -1, -1.5, 1.5}));

  const Tensor prediction = tensor({2}, {1, 4});
  const Tensor target = tensor({2}, {3, 3});
  const Tensor gradient = empty({2});
  const Tensor loss = empty({});
  mean_squared_error(stream, loss, gradient, prediction, target, 3.0F);
  EXPECT_THAT(values(loss), ElementsAre(2.5F));
  EXPECT_THAT(values(gradient), ElementsAre(-6, 3));
  mean_squared_error(stream, loss, TensorView(), target, target, 3.0F);
  EXPECT_THAT(values(loss), ElementsAre(0));
  EXPECT_THAT(refusal([&] { cross_entropy(stream, losses, logits, losses); }),
              HasSubstr("targets has type f32, expected i32"));
}

TEST_F(FrontDoorTest, ElementwiseOperationsPassTheirArgumentsOn) {
  const Tensor x = tensor({3}, {1, 2, 3});
  const Tensor y = tensor({3}, {10, 20, 30});
  const Tensor z = empty({3});
  add(stream, z, x, y);
  EXPECT_THAT(values(z), ElementsAre(11, 22, 33));
  accumulate(stream, z, x, -1.0F);
  EXPECT_THAT(values(z), ElementsAre(10, 20, 30));
  scale(stream, z, x, 0.5F);
  EXPECT_THAT(values(z), ElementsAre(0.5F, 1.0F, 1.5F));
  copy(stream, z, y);
  EXPECT_THAT(values(z), ElementsAre(10, 20, 30));
  fill(stream, z, 7.0F);
  EXPECT_THAT(values(z), ElementsAre(7, 7, 7));
  dropout(stream, z, x, 0.0F, {.seed = 1});
  EXPECT_THAT(values(z), ElementsAre(1, 2, 3));
  EXPECT_EQ(refusal([&] { dropout(stream, z, x, 1.0F, {.seed = 1}); }),
            "dropout: the rate is 1, expected at least 0 and less than 1");
  const Tensor wide = empty({4});
  EXPECT_EQ(refusal([&] { add(stream, wide, x, y); }),
            "add: z has shape [4], expected [3] to match x");
}

TEST_F(FrontDoorTest, ReductionsPassTheirArgumentsOn) {
  const Tensor x = tensor({2, 2}, {1, 2, 3, 4});
  const Tensor sums = tensor({2}, {10, 20});
  column_sum(stream, sums, x);
  EXPECT_THAT(values(sums), ElementsAre(14, 26));
  const Tensor average = empty({});
  mean(stream, average, x);
  EXPECT_THAT(values(average), ElementsAre(2.5F));
  const Tensor squares = empty({}, DType::f64);
  sum_of_squares(stream, squares, x);
  EXPECT_THAT(values<double>(squares), ElementsAre(30.0));
  EXPECT_EQ(refusal([&] { sum_of_squares(stream, average, x); }),
            "sum_of_squares: result has type f32, expected f64");
}

TEST_F(FrontDoorTest, UpdatesPassTheirArgumentsOn) {
  const Tensor weight = tensor({1}, {1.0F});
  const Tensor state = zeros({1});
  const Tensor state2 = zeros({1});
  const Tensor gradient = tensor({1}, {4.0F});
  const Tensor half = tensor({}, {0.5F});
  sgd(stream, weight, state, gradient, half, {.learning_rate = 0.25F, .momentum = 0.5F});
  EXPECT_THAT(values(weight), ElementsAre(0.5F));
  EXPECT_THAT(values(state), ElementsAre(2.0F));
  fill(stream, state, 0.0F);
  adamw(stream, weight, state, state2, gradient, half,
        {.learning_rate = 0.25F, .beta1 = 0.5F, .beta2 = 0.75F, .zero_gradient = true});
  // The first step of Adam is the learning rate, against the sign of the gradient.
  EXPECT_THAT(values(weight), ElementsAre(testing::FloatNear(0.25F, 1e-6F)));
  EXPECT_THAT(values(state), ElementsAre(1.0F));
  EXPECT_THAT(values(state2), ElementsAre(1.0F));
  EXPECT_THAT(values(gradient), ElementsAre(0.0F));
  EXPECT_EQ(refusal([&] { adamw(stream, weight, state, state2, gradient, half, {.step = 0}); }),
            "adamw: step is 0, but steps are counted from 1");
}

TEST(MetaFrontDoorTest, OperationsAddUpTheirCostAndRunNothing) {
  const std::unique_ptr<Device> device = make_meta_device();
  const std::unique_ptr<Stream> stream = device->make_stream(StreamRole::compute);
  const auto empty = [&](const Shape& shape) { return device->empty({shape, DType::f32}); };
  const Tensor a = empty({2, 3, 4});
  const Tensor b = empty({4, 5});
  const Tensor c = empty({2, 3, 5});
  matmul(*stream, c, a, b);
  OpTotals totals = take_totals(*device);
  EXPECT_EQ(totals.flops, 2.0 * 6 * 4 * 5);
  EXPECT_EQ(totals.bytes_moved, 4.0 * (24 + 20 + 30));
  EXPECT_EQ(totals.launches, 1);

  const Tensor y = empty({1, 3, 4});
  const Tensor qkv = empty({1, 3, 12});
  const Tensor log_sum_exp = empty({1, 2, 3});
  attention(*stream, y, log_sum_exp, qkv, {.queries = 2, .key_values = 2});
  totals = take_totals(*device);
  EXPECT_EQ(totals.flops, 2.0 * 2 * 6 * 4);  // two products, six pairs that the mask leaves
  const Tensor rstd = empty({3});
  const Tensor gain = empty({4});
  rms_norm(*stream, y, rstd, y, gain);
  totals = take_totals(*device);
  EXPECT_EQ(totals.flops, 4.0 * 12);
  EXPECT_EQ(totals.bytes_moved, 4.0 * (12 + 12 + 3 + 4));
  rope(*stream, qkv, {.heads = 4, .head_width = 2});
  totals = take_totals(*device);
  EXPECT_EQ(totals.flops, 3.0 * 24);  // of queries and keys; values stay as they are
  EXPECT_EQ(totals.bytes_moved, 4.0 * 2 * 24);
  EXPECT_THROW(matmul(*stream, c, b, a), InvalidArgument);
  EXPECT_EQ(take_totals(*device).launches, 0);
}

// What operations say they cost, against counts by hand.  N rows, C channels, K hidden, V tokens.
class OpCostTest : public testing::Test {
 protected:
  static constexpr std::int64_t B = 2;
  static constexpr std::int64_t T = 5;
  static constexpr std::int64_t C = 8;
  static constexpr std::int64_t V = 11;
  static constexpr double N = B * T;

  Tensor empty(const Shape& shape, DType dtype = DType::f32) {
    return device_->empty({shape, dtype});
  }
  /// Floating-point operations and words of 4 bytes of what was launched last.
  void expect(double flops, double words) {
    const OpTotals totals = take_totals(*device_);
    EXPECT_EQ(totals.flops, flops);
    EXPECT_EQ(totals.bytes_moved, 4 * words);
    EXPECT_EQ(totals.launches, 1);
  }

  const std::unique_ptr<Device> device_ = make_meta_device();
  const std::unique_ptr<Stream> owned_stream_ = device_->make_stream(StreamRole::compute);
  Stream& stream_ = *owned_stream_;
};

TEST_F(OpCostTest, ProductsReadWhatTheyAddTo) {
  const Tensor x = empty({B, T, C});
  const Tensor w = empty({C, V});
  const Tensor y = empty({B, T, V});
  const Tensor bias = empty({V});
  matmul(stream_, y, x, w);
  expect(2 * N * C * V, N * C + C * V + N * V);
  matmul(stream_, y, x, w, {.bias = bias});
  expect(2 * N * C * V + N * V, N * C + C * V + N * V + V);
  matmul(stream_, x, y, w, {.transpose_b = true});
  expect(2 * N * C * V, N * C + C * V + N * V);
  matmul(stream_, w, x, y, {.transpose_a = true, .accumulate = true});
  expect(2 * N * C * V, N * C + 2 * C * V + N * V);
  column_sum(stream_, bias, y);
  expect(N * V, N * V + 2 * V);
}

TEST_F(OpCostTest, AttentionIsFiveProductsBackwardForTwoForward) {
  const Tensor qkv = empty({B, T, 3 * C});
  const Tensor y = empty({B, T, C});
  const Tensor rows = empty({B, 4, T});
  double pairs = 0;  // that the mask leaves, in all sequences
  for (std::int64_t query = 0; query < T; ++query) {
    pairs += B * static_cast<double>(query + 1);
  }
  attention(stream_, y, rows, qkv, {.queries = 4, .key_values = 4});
  expect(2 * (2 * pairs * C), 3 * N * C + N * C + 4 * N);
  attention_backward(stream_, qkv, y, y, rows, qkv, {.queries = 4, .key_values = 4});
  expect(5 * (2 * pairs * C), 2 * 3 * N * C + 2 * N * C + 4 * N);
}

TEST_F(OpCostTest, EmbeddingTouchesOnlyTheRowsOfItsTokens) {
  const Tensor y = empty({B, T, C});
  const Tensor tokens = empty({B, T}, DType::i32);
  const Tensor table = empty({1000, C});
  const Tensor positions = empty({100, C});
  embedding(stream_, y, tokens, table, positions);
  expect(N * C, N * C + N * C + T * C + N);
  embedding(stream_, y, tokens, table, {});
  expect(0, N * C + N * C + N);
  embedding_backward(stream_, table, positions, y, tokens);
  expect(2 * N * C, N * C + 2 * N * C + 2 * T * C + N);
  embedding_backward(stream_, table, {}, y, tokens);
  expect(N * C, N * C + 2 * N * C + N);
}

TEST_F(OpCostTest, NormsReadStatisticsAndAddToGradients) {
  const Tensor x = empty({B, T, C});
  const Tensor row = empty({B * T});
  const Tensor channel = empty({C});
  layer_norm(stream_, x, row, row, x, channel, channel);
  expect(8 * N * C, 2 * N * C + 2 * N + 2 * C);
  layer_norm_backward_input(stream_, x, x, x, row, row, channel);
  expect(13 * N * C, 3 * N * C + 2 * N + C);
  layer_norm_backward_weight(stream_, channel, channel, x, x, row, row);
  expect(5 * N * C, 2 * N * C + 2 * N + 2 * 2 * C);
  bias_gelu(stream_, x, x, channel);
  expect(16 * N * C, 2 * N * C + C);
  bias_gelu_backward(stream_, x, channel, x, x, channel);
  expect(24 * N * C, 3 * N * C + C + 2 * C);
}

TEST_F(OpCostTest, LossesAndUpdatesCountWhatTheyWrite) {
  const Tensor x = empty({B, T, C});
  const Tensor number = empty({});
  mean_squared_error(stream_, number, x, x, x, 1);
  expect(4 * N * C, 3 * N * C + 1);
  mean_squared_error(stream_, number, {}, x, x, 1);
  expect(3 * N * C, 2 * N * C + 1);
  mean(stream_, number, x);
  expect(N * C, N * C + 1);
  sgd(stream_, x, x, x, number, {});
  expect(7 * N * C, 5 * N * C);
  sgd(stream_, x, x, x, number, {.zero_gradient = true});
  expect(7 * N * C, 6 * N * C);
  adamw(stream_, x, x, x, x, number, {.step = 1, .zero_gradient = true});
  expect(14 * N * C, 8 * N * C);
}

}  // namespace
}  // namespace lockflight::ops
