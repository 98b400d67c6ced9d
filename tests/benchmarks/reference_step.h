// All operations of a training step of the reference model, in their order.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "benchmarks/reference_shapes.h"
#include "ops/cpu/adamw.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/cross_entropy.h"
#include "ops/cpu/elementwise.h"
#include "ops/cpu/embedding.h"
#include "ops/cpu/gelu.h"
#include "ops/cpu/layer_norm.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/reduce.h"

namespace lockflight::benchmarks {

using ops::cpu::Team;

// A weight [in, out] or a gain with what belongs to it.
struct Weight {
  float* value;
  float* gradient;
  float* moment1;
  float* moment2;
  std::int64_t count;
};

// On memory laid out as in training.
class ReferenceStep {
 public:
  explicit ReferenceStep(Team& team) : team_(team), arena_(90'000'000), tokens_(some_tokens()) {
    token_table_ = weight(V * C);
    position_table_ = weight(T * C);
    for (Block& block : blocks_) {
      block = {weight(C),
               weight(C),
               weight(C * 3 * C),
               weight(3 * C),
               weight(C * C),
               weight(C),
               weight(C),
               weight(C),
               weight(4 * C * C),
               weight(4 * C),
               weight(4 * C * C),
               weight(C),
               arena_.take(N * C),
               arena_.take(N * C),
               arena_.take(3 * N * C),
               arena_.take(N * C),
               arena_.take(N * H),
               arena_.take(N * C),
               arena_.take(N * C),
               arena_.take(4 * N * C),
               arena_.take(4 * N * C),
               arena_.take(4 * N)};
    }
    final_gain_ = weight(C);
    final_bias_ = weight(C);
    head_ = weight(C * V);
    x_ = arena_.take(N * C);
    normal_ = arena_.take(N * C);
    statistics_ = arena_.take(2 * N);
    logits_ = arena_.take(N * V);
    losses_ = arena_.take(N);
    dx_ = arena_.take(N * C);
    dy_ = arena_.take(N * C);
    wide_ = arena_.take(4 * N * C);
    for (const Weight& w : weights_) {
      std::fill_n(w.moment1, w.count, 0.0F);
      std::fill_n(w.moment2, w.count, 0.0F);
      std::fill_n(w.gradient, w.count, 0.0F);
    }
  }

  std::int64_t parameters_in_products() const { return kLayers * 12 * C * C + C * V; }

  void run() {
    for (std::int64_t m = 0; m < kMicroBatches; ++m) {
      forward();
      backward();
    }
    double squares = 0.0;
    for (const Weight& w : weights_) {
      squares += ops::cpu::sum_of_squares(team_, w.gradient, w.count);
    }
    const float gradient_scale = squares > 1.0 ? 0.5F : 1.0F;
    for (const Weight& w : weights_) {
      ops::cpu::adamw(team_, w.value, w.moment1, w.moment2, w.gradient, &gradient_scale,
                      {.learning_rate = 1e-4F, .step = ++steps_, .zero_gradient = true}, w.count);
    }
  }

 private:
  struct Block {
    Weight gain1, bias1, qkv, qkv_bias, out, out_bias, gain2, bias2, in, in_bias, up, up_bias;
    float *x, *normal1, *packed, *attended, *log_sum_exp, *middle, *normal2, *hidden, *active,
        *statistics;
  };

  Weight weight(std::int64_t count) {
    const Weight w{arena_.take(count), arena_.take(count), arena_.take(count), arena_.take(count),
                   count};
    weights_.push_back(w);
    return w;
  }

  void linear(float* y, const float* x, const Weight& w, const float* bias, std::int64_t in,
              std::int64_t out) {
    ops::cpu::matmul(team_, y, x, w.value, bias, {.m = N, .n = out, .k = in}, false);
  }

  void linear_backward(float* dx, const float* dy, const float* x, const Weight& w, std::int64_t in,
                       std::int64_t out) {
    ops::cpu::matmul(team_, dx, dy, w.value, nullptr,
                     {.m = N, .n = in, .k = out, .transpose_b = true}, false);
    ops::cpu::matmul(team_, w.gradient, x, dy, nullptr,
                     {.m = in, .n = out, .k = N, .transpose_a = true}, true);
  }

  void normalise(float* y, float* statistics, const float* x, const Weight& gain,
                 const Weight& bias) {
    ops::cpu::layer_norm(team_, y, statistics, statistics + N, x, gain.value, bias.value, kNarrow,
                         1e-5F);
  }

  void normalise_backward(float* dx, const float* dy, const float* statistics, const float* x,
                          const Weight& gain, const Weight& bias) {
    ops::cpu::layer_norm_backward_weight(team_, gain.gradient, bias.gradient, dy, x, statistics,
                                         statistics + N, kNarrow);
    ops::cpu::layer_norm_backward_input(team_, dx, dy, x, statistics, statistics + N, gain.value,
                                        kNarrow);
  }

  void forward() {
    using namespace ops::cpu;
    embedding(team_, blocks_[0].x, tokens_.data(), token_table_.value, position_table_.value,
              kEmbedding);
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      Block& b = blocks_[layer];
      float* next = layer + 1 < kLayers ? blocks_[layer + 1].x : x_;
      normalise(b.normal1, b.statistics, b.x, b.gain1, b.bias1);
      linear(b.packed, b.normal1, b.qkv, b.qkv_bias.value, C, 3 * C);
      attention(team_, b.attended, b.log_sum_exp, b.packed, kAttention);
      linear(dy_, b.attended, b.out, b.out_bias.value, C, C);
      add(team_, b.middle, b.x, dy_, N * C);
      normalise(b.normal2, b.statistics + 2 * N, b.middle, b.gain2, b.bias2);
      linear(b.hidden, b.normal2, b.in, nullptr, C, 4 * C);
      gelu(team_, b.active, b.hidden, b.in_bias.value, kWide);
      linear(dy_, b.active, b.up, b.up_bias.value, 4 * C, C);
      add(team_, next, b.middle, dy_, N * C);
    }
    normalise(normal_, statistics_, x_, final_gain_, final_bias_);
    linear(logits_, normal_, head_, nullptr, C, V);
    cross_entropy_with_gradient(team_, losses_, logits_, logits_, tokens_.data(), 1e-4F, {N, V});
  }

  void backward() {
    using namespace ops::cpu;
    linear_backward(dy_, logits_, normal_, head_, C, V);
    normalise_backward(dx_, dy_, statistics_, x_, final_gain_, final_bias_);
    for (std::int64_t layer = kLayers - 1; layer >= 0; --layer) {
      Block& b = blocks_[layer];
      column_sum(team_, b.up_bias.gradient, dx_, kNarrow);
      linear_backward(wide_, dx_, b.active, b.up, 4 * C, C);
      bias_gelu_backward(team_, wide_, b.in_bias.gradient, wide_, b.hidden, b.in_bias.value, kWide);
      linear_backward(dy_, wide_, b.normal2, b.in, C, 4 * C);
      normalise_backward(dy_, dy_, b.statistics + 2 * N, b.middle, b.gain2, b.bias2);
      add(team_, dx_, dx_, dy_, N * C);
      column_sum(team_, b.out_bias.gradient, dx_, kNarrow);
      linear_backward(dy_, dx_, b.attended, b.out, C, C);
      attention_backward(team_, wide_, dy_, b.attended, b.log_sum_exp, b.packed, kAttention);
      column_sum(team_, b.qkv_bias.gradient, wide_, {N, 3 * C});
      linear_backward(dy_, wide_, b.normal1, b.qkv, C, 3 * C);
      normalise_backward(dy_, dy_, b.statistics, b.x, b.gain1, b.bias1);
      add(team_, dx_, dx_, dy_, N * C);
    }
    embedding_backward(team_, token_table_.gradient, position_table_.gradient, dx_, tokens_.data(),
                       kEmbedding);
  }

  Team& team_;
  Arena arena_;
  std::vector<std::int32_t> tokens_;
  std::vector<Weight> weights_;
  Block blocks_[kLayers];
  Weight token_table_, position_table_, final_gain_, final_bias_, head_;
  float *x_, *normal_, *statistics_, *logits_, *losses_, *dx_, *dy_, *wide_;
  std::int64_t steps_ = 0;
};

}  // namespace lockflight::benchmarks
