// How fast whole training steps are, on one rank and on two, beside what the processor could do.
//
//   training_benchmark [--rounds N] [--overhead-only]
//
// The reference model: GPT, 6 layers, width 384, 6 heads, T 256, 256 tokens, micro-batch 2, m 8,
// AdamW, f32 and, on one rank, bf16.  One round measures each variant once, so that a change of the
// machine's speed meets all of them; the canary shows what one and two cores reach at that moment.
// Medians over the rounds, and ratios within a round.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockflight/lockflight.h"
#include "tools/fma_canary.h"

namespace lockflight {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kContext = 256;
constexpr std::int64_t kLayers = 6;
constexpr std::int64_t kWidth = 384;
constexpr std::int64_t kVocabulary = 256;
constexpr int kMicroBatches = 8;

double seconds_of(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// GFLOP/s of pure multiply-adds on `threads` cores at once, together.
double fma_rate(int threads) { return tools::fma_flops_per_second(threads) * 1e-9; }

Batch random_batch(std::int64_t rows) {
  const TensorSpec spec{{rows, kContext}, DType::i32};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  Random random({.seed = 2});
  for (HostTensor* tensor : {&batch.inputs[0], &batch.targets[0]}) {
    for (std::int32_t& token : tensor->as<std::int32_t>()) {
      token = static_cast<std::int32_t>(random.next_below(kVocabulary));
    }
  }
  return batch;
}

// The reference model on some ranks, ready for its next step.
class Training {
 public:
  explicit Training(int ranks, DType dtype = DType::f32)
      : world_(World::threads({.ranks = ranks})) {
    nn::Model model = nn::gpt2({.vocabulary = kVocabulary,
                                .context = kContext,
                                .layers = kLayers,
                                .heads = 6,
                                .width = kWidth,
                                .dtype = dtype});
    const Plan plan =
        make_plan(model, world_, {.micro_batch = {.rows = 2}, .micro_batches = kMicroBatches});
    parameters_ = model.parameter_count();
    pipeline_ = std::make_unique<Pipeline>(world_, std::move(model), plan);
    optimizer_ = std::make_unique<train::AdamW>(pipeline_->parameters());
    batch_ = random_batch(plan.batch().rows());
  }

  void step() {
    pipeline_->forward_backward(batch_);
    optimizer_->step();
  }

  double tokens() const { return static_cast<double>(batch_.inputs[0].spec().elements()); }
  double idle_share() const { return pipeline_->timeline().idle_share(); }
  /// 6 per parameter that multiplies, and attention's two products, forward and twice backward.
  double flops_per_token() const {
    const auto embeddings = static_cast<double>((kVocabulary + kContext) * kWidth);
    return 6 * (static_cast<double>(parameters_) - embeddings) +
           12 * static_cast<double>(kLayers * kContext * kWidth);
  }

 private:
  World world_;
  std::int64_t parameters_ = 0;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<train::AdamW> optimizer_;
  Batch batch_;
};

// Passes everything through: what is left is what the runtime itself costs.
class EmptyLayer final : public nn::Layer {
 public:
  Tensor forward(nn::Context& /*context*/, Tensor x, nn::Saved& /*saved*/) override { return x; }
  Tensor backward_input(nn::Context& /*context*/, Tensor dy, nn::Saved& /*saved*/) override {
    return dy;
  }
};

class EmptyLoss final : public nn::Loss {
 public:
  void forward(nn::Context& /*context*/, Tensors outputs,
               const std::vector<TensorView>& /*targets*/, float /*scale*/,
               const TensorView& /*loss*/, nn::Saved& saved) override {
    saved.keep(std::move(outputs[0]));
  }
  Tensors backward(nn::Context& /*context*/, nn::Saved& saved) override {
    Tensors gradients;
    gradients.push_back(saved.take(0));
    return gradients;
  }
};

// Microseconds per compute action of a rank, with its share of transfers and waits.
double overhead_us(int ranks) {
  constexpr int kActionsEachWay = 512;
  World world = World::threads({.ranks = ranks});
  const TensorSpec row{{1}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<EmptyLoss>());
  for (int rank = 0; rank < ranks; ++rank) {
    model.add("layer" + std::to_string(rank), std::make_unique<EmptyLayer>());
  }
  const Plan plan = make_plan(
      model, world, {.micro_batches = kActionsEachWay, .split = std::vector<int>(ranks, 1)});
  Pipeline pipeline(world, std::move(model), plan, {.timeline = false});
  const HostTensor rows({{kActionsEachWay, 1}, DType::f32});
  const Batch batch{.inputs = {rows}, .targets = {rows}};
  std::vector<double> times;
  for (int i = 0; i < 50; ++i) {
    times.push_back(seconds_of([&] { pipeline.forward_backward(batch); }));
  }
  return median(times) * 1e6 / (2 * kActionsEachWay);
}

void measure_training(int rounds) {
  Training one(1);
  Training two(2);
  Training narrow(1, DType::bf16);
  one.step();
  two.step();
  narrow.step();
  std::vector<double> one_core;
  std::vector<double> two_cores;
  std::vector<double> one_rate;
  std::vector<double> two_rate;
  std::vector<double> bf16_rate;
  std::vector<double> speedup;
  std::vector<double> roofline_share;
  std::vector<double> scaling;
  std::vector<double> idle;
  const double ideal = 2.0 * kMicroBatches / (kMicroBatches + 1);
  std::printf(
      "round  FMA 1 core  FMA 2 cores  1 rank  2 ranks  roofline  of ideal  idle  bf16  of f32\n");
  for (int round = 0; round < rounds; ++round) {
    one_core.push_back(fma_rate(1));
    one_rate.push_back(one.tokens() / seconds_of([&] { one.step(); }));
    two_cores.push_back(fma_rate(2));
    two_rate.push_back(two.tokens() / seconds_of([&] { two.step(); }));
    roofline_share.push_back(one_rate.back() * one.flops_per_token() * 1e-9 / one_core.back());
    scaling.push_back(two_rate.back() / (one_rate.back() * ideal));
    idle.push_back(two.idle_share());
    bf16_rate.push_back(narrow.tokens() / seconds_of([&] { narrow.step(); }));
    speedup.push_back(bf16_rate.back() / one_rate.back());
    std::printf("%5d  %6.1f GF  %7.1f GF  %6.0f  %7.0f  %7.1f%%  %7.1f%%  %4.1f%%  %4.0f  %5.2f\n",
                round, one_core.back(), two_cores.back(), one_rate.back(), two_rate.back(),
                100 * roofline_share.back(), 100 * scaling.back(), 100 * idle.back(),
                bf16_rate.back(), speedup.back());
  }
  std::printf(
      "median %6.1f GF  %7.1f GF  %6.0f  %7.0f  %7.1f%%  %7.1f%%  %4.1f%%  %4.0f  %5.2f   "
      "tokens/s; roofline: "
      "one rank's share "
      "of one core's multiply-adds at %.1f MFLOP per token; of ideal: two ranks against 2 x one "
      "rank x "
      "m/(m+p-1); bf16: one rank, and how much faster than in f32\n",
      median(one_core), median(two_cores), median(one_rate), median(two_rate),
      100 * median(roofline_share), 100 * median(scaling), 100 * median(idle), median(bf16_rate),
      median(speedup), one.flops_per_token() * 1e-6);
}

}  // namespace
}  // namespace lockflight

int main(int argc, char** argv) {
  int rounds = 7;
  bool training = true;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--overhead-only") == 0) {
      training = false;
    } else if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++i]));
    } else {
      std::fprintf(stderr,
                   "training_benchmark: unknown argument %s; use [--rounds N] [--overhead-only]\n",
                   argv[i]);
      return 64;
    }
  }
  const double alone = lockflight::overhead_us(1);
  const double with_transfer = lockflight::overhead_us(2);
  std::printf(
      "overhead per action with empty layers: %.2f us on 1 rank; %.2f us on 2 ranks, where every "
      "compute action has a send or a receive beside it (%.2f us for both)\n",
      alone, with_transfer / 2, with_transfer);
  if (training) {
    lockflight::measure_training(rounds);
  }
}
