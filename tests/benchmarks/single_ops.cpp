#include "benchmarks/single_ops.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "benchmarks/reference_shapes.h"
#include "ops/cpu/adamw.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/cross_entropy.h"
#include "ops/cpu/dropout.h"
#include "ops/cpu/elementwise.h"
#include "ops/cpu/embedding.h"
#include "ops/cpu/gelu.h"
#include "ops/cpu/layer_norm.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/reduce.h"
#include "tools/fma_canary.h"

namespace lockflight::benchmarks {
namespace {

using ops::cpu::MatmulShape;
using ops::cpu::Team;

// As often as the library likes, with a canary before.
void run(benchmark::State& state, double flops, double bytes, const std::function<void()>& op) {
  const double peak = tools::fma_flops_per_second();
  for (auto _ : state) {
    op();
  }
  using benchmark::Counter;
  const auto rounds = static_cast<double>(state.iterations());
  if (flops > 0.0) {
    state.counters["GFLOP/s"] = Counter(flops * rounds * 1e-9, Counter::kIsRate);
    state.counters["peak"] = Counter(flops * rounds / peak, Counter::kIsRate);
  } else {
    state.counters["GB/s"] = Counter(bytes * rounds * 1e-9, Counter::kIsRate);
  }
}

// The same memory as bf16.
TensorView halves(float* x) { return {reinterpret_cast<std::byte*>(x), {{1}, DType::bf16}}; }

void product(benchmark::State& state, MatmulShape shape, bool accumulate, DType dtype) {
  Team team(1);
  Arena arena(4 * 1536 * 1536);
  float* a = arena.take(shape.m * shape.k);
  float* b = arena.take(shape.k * shape.n);
  float* c = arena.take(shape.m * shape.n);
  run(state, 2.0 * static_cast<double>(shape.m * shape.n * shape.k), 0.0, [&] {
    std::fill_n(c, accumulate ? 1 : 0, 0.0F);
    if (dtype == DType::f32) {
      ops::cpu::matmul(team, c, a, b, nullptr, shape, accumulate);
    } else {  // gradients of weights are f32
      const ops::cpu::Values result = accumulate ? ops::cpu::Values(c) : halves(c);
      ops::cpu::matmul(team, result, halves(a), halves(b), nullptr, shape, accumulate);
    }
  });
}

constexpr std::int64_t kPart = 4 * N * C;
constexpr double kPairs = static_cast<double>(B * T * (T + 1)) / 2.0 * C;
constexpr std::int64_t kWeights = 1 << 20;

struct Op {
  const char* name;
  double flops;
  double arrays;  // read or written, of `count` floats
  std::int64_t count;
  std::function<void(Team&, float*)> call;  // with room for 8 arrays of 4 N C
};

void register_ops(const std::vector<Op>& ops) {
  for (const Op& op : ops) {
    benchmark::RegisterBenchmark(op.name, [&op](benchmark::State& state) {
      Team team(1);
      Arena arena(8 * kPart);
      float* x = arena.take(8 * kPart);
      std::for_each(x, x + 8 * kPart, [](float& value) { value += 0.1F; });  // a second moment
      const double bytes = op.arrays * static_cast<double>(op.count) * sizeof(float);
      run(state, op.flops, bytes, [&] { op.call(team, x); });
    });
  }
}

}  // namespace

void register_products(DType dtype) {
  struct Linear {
    const char* name;
    std::int64_t in;
    std::int64_t out;
  };
  for (const auto& [name, in, out] :
       {Linear{"qkv", C, 3 * C}, Linear{"attention out", C, C}, Linear{"mlp in", C, 4 * C},
        Linear{"mlp out", 4 * C, C}, Linear{"head", C, V}}) {
    const std::string label =
        (dtype == DType::f32 ? "matmul/" : "matmul bf16/") + std::string(name);
    const MatmulShape forward{.m = N, .n = out, .k = in};
    const MatmulShape dx{.m = N, .n = in, .k = out, .transpose_b = true};
    const MatmulShape dweight{.m = in, .n = out, .k = N, .transpose_a = true};
    benchmark::RegisterBenchmark((label + "/y").c_str(), product, forward, false, dtype);
    benchmark::RegisterBenchmark((label + "/dx").c_str(), product, dx, false, dtype);
    benchmark::RegisterBenchmark((label + "/dweight").c_str(), product, dweight, true, dtype);
  }
}

void register_others() {
  using namespace ops::cpu;
  static const std::vector<std::int32_t> tokens = some_tokens();
  static const std::vector<Op> kOps = {
      {"layer_norm", 0, 2, N * C,
       [](Team& t, float* x) {
         layer_norm(t, x, x + kPart, x + 2 * kPart, x + 3 * kPart, x + 4 * kPart, x + 5 * kPart,
                    kNarrow, 1e-5F);
       }},
      {"layer_norm_backward_input", 0, 3, N * C,
       [](Team& t, float* x) {
         layer_norm_backward_input(t, x, x + kPart, x + 2 * kPart, x + 3 * kPart, x + 4 * kPart,
                                   x + 5 * kPart, kNarrow);
       }},
      {"layer_norm_backward_weight", 0, 2, N * C,
       [](Team& t, float* x) {
         layer_norm_backward_weight(t, x, x + kPart, x + 2 * kPart, x + 3 * kPart, x + 4 * kPart,
                                    x + 5 * kPart, kNarrow);
       }},
      {"bias_gelu", 0, 2, 4 * N * C,
       [](Team& t, float* x) { gelu(t, x, x + kPart, x + 2 * kPart, kWide); }},
      {"gelu_backward", 0, 3, 4 * N * C,
       [](Team& t, float* x) { gelu_backward(t, x, x + kPart, x + 2 * kPart, kWide); }},
      {"bias_gelu_backward", 0, 3, 4 * N * C,
       [](Team& t, float* x) {
         bias_gelu_backward(t, x, x + 3 * kPart, x + kPart, x + 2 * kPart, x + 4 * kPart, kWide);
       }},
      {"column_sum", 0, 1, 4 * N * C,
       [](Team& t, float* x) { column_sum(t, x, x + kPart, kWide); }},
      {"attention", 2 * 2 * kPairs, 0, 0,
       [](Team& t, float* x) { attention(t, x, x + kPart, x + 2 * kPart, kAttention); }},
      {"attention_backward", 5 * 2 * kPairs, 0, 0,
       [](Team& t, float* x) {
         attention_backward(t, x, x + kPart, x + 2 * kPart, x + 3 * kPart, x + 4 * kPart,
                            kAttention);
       }},
      {"cross_entropy_with_gradient", 0, 2, N * V,
       [](Team& t, float* x) {
         cross_entropy_with_gradient(t, x, x + kPart, x + 2 * kPart, tokens.data(), 1.0F, {N, V});
       }},
      {"embedding", 0, 1, N * C,
       [](Team& t, float* x) {
         embedding(t, x, tokens.data(), x + kPart, x + 2 * kPart, kEmbedding);
       }},
      {"embedding_backward", 0, 1, N * C,
       [](Team& t, float* x) {
         embedding_backward(t, x, x + kPart, x + 2 * kPart, tokens.data(), kEmbedding);
       }},
      {"add", 0, 3, N * C, [](Team& t, float* x) { add(t, x, x + kPart, x + 2 * kPart, N * C); }},
      {"dropout", 0, 2, N * C,
       [](Team& t, float* x) { dropout(t, x, x + kPart, 0.1F, {.seed = 1}, N * C); }},
      {"sum_of_squares", 0, 1, kWeights,
       [](Team& t, float* x) { benchmark::DoNotOptimize(sum_of_squares(t, x, kWeights)); }},
      {"adamw", 0, 7, kWeights,
       [](Team& t, float* x) {
         static const float one = 1.0F;
         adamw(t, x, x + 2 * kPart, x + 4 * kPart, x + 6 * kPart, &one, ops::AdamWStep{}, kWeights);
       }},
  };
  register_ops(kOps);
}

// Activations take half the bytes.
void register_others_on_bf16() {
  using namespace ops::cpu;
  static const std::vector<std::int32_t> tokens = some_tokens();
  static const std::vector<Op> kOps = {
      {"layer_norm bf16", 0, 1, N * C,
       [](Team& t, float* x) {
         layer_norm(t, halves(x), x + kPart, x + 2 * kPart, halves(x + 3 * kPart), x + 4 * kPart,
                    x + 5 * kPart, kNarrow, 1e-5F);
       }},
      {"layer_norm_backward_input bf16", 0, 1.5, N * C,
       [](Team& t, float* x) {
         layer_norm_backward_input(t, halves(x), halves(x + kPart), halves(x + 2 * kPart),
                                   x + 3 * kPart, x + 4 * kPart, x + 5 * kPart, kNarrow);
       }},
      {"layer_norm_backward_weight bf16", 0, 1, N * C,
       [](Team& t, float* x) {
         layer_norm_backward_weight(t, x, x + kPart, halves(x + 2 * kPart), halves(x + 3 * kPart),
                                    x + 4 * kPart, x + 5 * kPart, kNarrow);
       }},
      {"gelu bf16", 0, 1, 4 * N * C,
       [](Team& t, float* x) { gelu(t, halves(x), halves(x + kPart), nullptr, kWide); }},
      {"gelu_backward bf16", 0, 1.5, 4 * N * C,
       [](Team& t, float* x) {
         gelu_backward(t, halves(x), halves(x + kPart), halves(x + 2 * kPart), kWide);
       }},
      {"column_sum bf16", 0, 0.5, 4 * N * C,
       [](Team& t, float* x) { column_sum(t, x, halves(x + kPart), kWide); }},
      {"attention bf16", 2 * 2 * kPairs, 0, 0,
       [](Team& t, float* x) {
         attention(t, halves(x), x + kPart, halves(x + 2 * kPart), kAttention);
       }},
      {"attention_backward bf16", 5 * 2 * kPairs, 0, 0,
       [](Team& t, float* x) {
         attention_backward(t, halves(x), halves(x + kPart), halves(x + 2 * kPart), x + 3 * kPart,
                            halves(x + 4 * kPart), kAttention);
       }},
      {"cross_entropy_with_gradient bf16", 0, 1, N * V,
       [](Team& t, float* x) {
         cross_entropy_with_gradient(t, x, halves(x + kPart), halves(x + 2 * kPart), tokens.data(),
                                     1.0F, {N, V});
       }},
      {"embedding bf16", 0, 0.5, N * C,
       [](Team& t, float* x) {
         embedding(t, halves(x), tokens.data(), x + kPart, x + 2 * kPart, kEmbedding);
       }},
      {"embedding_backward bf16", 0, 0.5, N * C,
       [](Team& t, float* x) {
         embedding_backward(t, x, x + kPart, halves(x + 2 * kPart), tokens.data(), kEmbedding);
       }},
      {"add bf16", 0, 1.5, N * C,
       [](Team& t, float* x) {
         add(t, halves(x), halves(x + kPart), halves(x + 2 * kPart), N * C);
       }},
      {"dropout bf16", 0, 1, N * C,
       [](Team& t, float* x) {
         dropout(t, halves(x), halves(x + kPart), 0.1F, {.seed = 1}, N * C);
       }},
      {"cast bf16", 0, 1.5, kWeights,
       [](Team& t, float* x) { copy(t, halves(x), x + 2 * kPart, kWeights); }},
  };
  register_ops(kOps);
}

}  // namespace lockflight::benchmarks
