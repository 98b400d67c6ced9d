// The doors in front of the kernels: that each checks its arguments and accounts for the work on a
// meta device. What operations compute is tested beside this file, one file for each.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/ops/adamw.h"
#include "lockflight/ops/attention.h"
#include "lockflight/ops/clip_scale.h"
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

namespace lockflight::ops {
namespace {

using testing::HasSubstr;

class FrontDoorTest : public testing::Test {
 protected:
  Tensor empty(const Shape& shape, DType dtype = DType::f32) {
    return device_->empty({shape, dtype});
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

  const std::unique_ptr<Device> device_ = make_meta_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  Stream& stream = *stream_;
};

TEST_F(FrontDoorTest, MatmulRefusesWhatDoesNotFit) {
  const Tensor a = empty({2, 3});
  const Tensor b = empty({2, 4});
  const Tensor c = empty({2, 4});
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, b); }),
            "matmul: a [2, 3] and b [2, 4] do not share their inner extent");
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, b, {.transpose_a = true}); }),
            "matmul: c has shape [2, 4], expected 3 rows of 4 to match a [2, 3] and b [2, 4]");
  const Tensor d = empty({3, 4});
  EXPECT_EQ(refusal([&] { matmul(stream, d, a, b, {.transpose_a = true, .bias = a}); }),
            "matmul: bias has shape [2, 3], expected [4] to match the columns of c");
  const Tensor half = empty({2, 4}, DType::bf16);
  EXPECT_EQ(refusal([&] { matmul(stream, c, half, b); }), "matmul: a has type bf16, expected f32");
  EXPECT_EQ(refusal([&] { matmul(stream, c, a, TensorView()); }),
            "matmul: b is an empty tensor; allocate it first");
}

TEST_F(FrontDoorTest, NormsRefuseWhatDoesNotFit) {
  const Tensor x = empty({2, 3, 5});
  const Tensor y = empty({2, 3, 5});
  const Tensor gain = empty({5});
  const Tensor bias = empty({5});
  const Tensor mean = empty({2, 3});
  const Tensor rstd = empty({6});
  const Tensor narrow = empty({4});
  EXPECT_EQ(refusal([&] { layer_norm(stream, y, mean, rstd, x, narrow, bias); }),
            "layer_norm: gain has shape [4], expected [5] to match x");
  EXPECT_EQ(refusal([&] { layer_norm(stream, y, narrow, rstd, x, gain, bias); }),
            "layer_norm: mean has shape [4], expected 6 elements for the rows of x");
  EXPECT_EQ(refusal([&] { rms_norm(stream, y, rstd, x, narrow); }),
            "rms_norm: gain has shape [4], expected [5] to match x");
  EXPECT_EQ(refusal([&] { rms_norm_backward_input(stream, narrow, y, x, rstd, gain); }),
            "rms_norm_backward_input: dx has shape [4], expected [2, 3, 5] to match x");
  EXPECT_EQ(refusal([&] { rms_norm_backward_weight(stream, gain, y, x, narrow); }),
            "rms_norm_backward_weight: rstd has shape [4], expected 6 elements for the rows of x");
}

TEST_F(FrontDoorTest, UnitsRefuseWhatDoesNotFit) {
  const Tensor x = empty({2, 3, 10});
  const Tensor dy = empty({2, 3, 5});
  const Tensor bias = empty({7});
  EXPECT_EQ(refusal([&] { gelu(stream, bias, x); }),
            "gelu: y has shape [7], expected [2, 3, 10] to match x");
  EXPECT_EQ(refusal([&] { swiglu(stream, x, x); }),
            "swiglu: x has shape [2, 3, 10], expected 6 rows of 20, twice as wide as y [2, 3, 10]");
  EXPECT_EQ(refusal([&] { swiglu_backward(stream, dy, dy, x); }),
            "swiglu_backward: dx has shape [2, 3, 5], expected [2, 3, 10] to match x");
}

TEST_F(FrontDoorTest, RopeRefusesWhatDoesNotFit) {
  const Tensor x = empty({2, 3, 14});
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

TEST_F(FrontDoorTest, AttentionRefusesWhatDoesNotFit) {
  const Tensor qkv = empty({2, 5, 16});
  const Tensor y = empty({2, 5, 8});
  const Tensor log_sum_exp = empty({2, 4, 5});
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

TEST_F(FrontDoorTest, EmbeddingRefusesWhatDoesNotFit) {
  const Tensor ids = empty({2, 2}, DType::i32);
  const Tensor table = empty({3, 2});
  const Tensor positions = empty({3, 2});
  const Tensor y = empty({2, 2, 2});
  EXPECT_THAT(refusal([&] { embedding(stream, y, table, table, positions); }),
              HasSubstr("tokens has type f32, expected i32"));
  const Tensor one_position = empty({1, 2});
  EXPECT_THAT(refusal([&] { embedding(stream, y, ids, table, one_position); }),
              HasSubstr("has 1 positions, but there are 2 tokens in a row"));
}

TEST_F(FrontDoorTest, LossesSumsAndUpdatesRefuseWhatDoesNotFit) {
  const Tensor x = empty({3});
  const Tensor wide = empty({4});
  const Tensor logits = empty({2, 2});
  const Tensor losses = empty({2});
  const Tensor number = empty({});
  EXPECT_THAT(refusal([&] { cross_entropy(stream, losses, logits, losses); }),
              HasSubstr("targets has type f32, expected i32"));
  EXPECT_EQ(refusal([&] { sum_of_squares(stream, number, x); }),
            "sum_of_squares: result has type f32, expected f64");
  EXPECT_EQ(refusal([&] { dropout(stream, x, x, 1.0F, {.seed = 1}); }),
            "dropout: the rate is 1, expected at least 0 and less than 1");
  EXPECT_EQ(refusal([&] { add(stream, wide, x, x); }),
            "add: z has shape [4], expected [3] to match x");
  EXPECT_EQ(refusal([&] { adamw(stream, x, x, x, x, number, {.step = 0}); }),
            "adamw: step is 0, but steps are counted from 1");
  const Tensor sums = empty({2}, DType::f64);
  EXPECT_THAT(refusal([&] { clip_scale(stream, number, sums, 0.0); }),
              HasSubstr("max_norm is 0, but must be positive"));
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
