// The CPU kernels at the shapes of the reference model (6 layers, width 384, 6 heads, 256
// positions, 256 tokens, 10.9 M parameters; micro-batches of 2 rows, 8 of them a step), one by one
// and as the whole of a training step.
//
//   ops_benchmark                               everything
//   ops_benchmark --benchmark_filter=step       the step only
//   ops_benchmark --benchmark_filter=bf16       operations on bf16 only
//
// Columns: "peak" is the share of what a loop of nothing but multiply-adds reaches on the same core
// at the same time; GB/s counts every array read or written once. Single operations are held
// against the processor time they took, the step against the clock on the wall, and, where other
// programs have their turns on the cores, also against its processor time ("peak of CPU time").

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/mman.h>

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
using ops::cpu::MatrixShape;
using ops::cpu::Team;
using tools::fma_flops_per_second;

constexpr std::int64_t kLayers = 6;
constexpr std::int64_t B = 2;
constexpr std::int64_t T = 256;
constexpr std::int64_t C = 384;
constexpr std::int64_t H = 6;
constexpr std::int64_t V = 256;
constexpr std::int64_t N = B * T;
constexpr std::int64_t kMicroBatches = 8;
constexpr MatrixShape kNarrow{.rows = N, .columns = C};
constexpr MatrixShape kWide{.rows = N, .columns = 4 * C};
constexpr ops::cpu::AttentionShape kAttention{
    .batch = B, .length = T, .heads = H, .key_value_heads = H, .channels = C};
constexpr ops::cpu::EmbeddingShape kEmbedding{
    .batch = B, .length = T, .channels = C, .vocabulary = V};

// Floats in huge pages, touched.
class Arena {
 public:
  explicit Arena(std::int64_t count) {
    constexpr std::size_t kHugePage = 2U << 20;
    const std::size_t bytes =
        (static_cast<std::size_t>(count) * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
    data_.reset(static_cast<float*>(std::aligned_alloc(kHugePage, bytes)));
    madvise(data_.get(), bytes, MADV_HUGEPAGE);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < bytes / sizeof(float); ++i) {
      state = state * 1664525U + 1013904223U;
      data_.get()[i] = (static_cast<float>(state >> 8) * 0x1p-24F - 0.5F) * 0.1F;
    }
  }

  float* take(std::int64_t count) {
    float* taken = data_.get() + used_;
    used_ += (count + 15) / 16 * 16;
    return taken;
  }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  std::int64_t used_ = 0;
};

std::vector<std::int32_t> some_tokens() {
  std::vector<std::int32_t> tokens(N);
  for (std::int64_t i = 0; i < N; ++i) {
    tokens[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * i % 251);
  }
  return tokens;
}

// One op by itself: as often as the library likes, with a canary before.
void run(benchmark::State& state, double flops, double bytes, const std::function<void()>& op) {
  const double peak = fma_flops_per_second();
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

// A weight [in, out] or a gain with what belongs to it.
struct Weight {
  float* value;
  float* gradient;
  float* moment1;
  float* moment2;
  std::int64_t count;
};

// All operations of a training step, in their order, on memory laid out as in training.
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

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

// A canary beside every step; medians over the steps.
void step(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  const auto threads = static_cast<int>(state.range(0));
  Team team(threads);
  ReferenceStep reference(team);
  reference.run();
  const double flops_per_token = 6.0 * static_cast<double>(reference.parameters_in_products()) +
                                 12.0 * static_cast<double>(kLayers * T * C);
  std::vector<double> speeds;
  std::vector<double> shares;
  std::vector<double> shares_of_cpu;
  for (auto _ : state) {
    const double peak = fma_flops_per_second();
    const Clock::time_point start = Clock::now();
    const std::clock_t cpu_start = std::clock();  // of all threads together
    reference.run();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    state.SetIterationTime(seconds);
    speeds.push_back(static_cast<double>(N * kMicroBatches) / seconds);
    shares.push_back(speeds.back() * flops_per_token / peak / threads);
    shares_of_cpu.push_back(shares.back() * seconds * threads / cpu_seconds);
  }
  state.counters["tokens/s"] = median(speeds);
  state.counters["peak"] = median(shares);
  state.counters["peak of CPU time"] = median(shares_of_cpu);
  state.counters["canary GFLOP/s"] = fma_flops_per_second() * 1e-9;
}

}  // namespace
}  // namespace lockflight::benchmarks

int main(int argc, char** argv) {
  using namespace lockflight::benchmarks;
  register_products(lockflight::DType::f32);
  register_others();
  register_products(lockflight::DType::bf16);
  register_others_on_bf16();
  benchmark::RegisterBenchmark("step/threads", step)
      ->Arg(1)
      ->Arg(2)
      ->UseManualTime()
      ->Iterations(5)
      ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
