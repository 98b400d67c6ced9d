#include "lockflight/plan/dry_run.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/launch.h"
#include "lockflight/device/memory_use.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/layer_norm.h"
#include "lockflight/nn/linear.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/nn/mlp.h"

namespace lockflight::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

double flops_named(const LaunchedOperations& operations, const std::string& name) {
  double flops = 0;
  for (const LaunchedOperation& operation : operations) {
    flops += operation.name == name ? static_cast<double>(operation.launches) * operation.flops : 0;
  }
  return flops;
}

// Runs one layer for real, function by function, and reads its memory from the device.
class LayerOnCpu {
 public:
  LayerOnCpu(nn::Model& model, std::size_t number) : layer_(*model.layers()[number].layer) {
    for (nn::Parameter* parameter : layer_.parameters()) {
      parameter->materialize(*device_, *stream_, 1);
    }
  }
  ~LayerOnCpu() {
    for (nn::Parameter* parameter : layer_.parameters()) {
      parameter->dematerialize();
    }
  }
  LayerOnCpu(const LayerOnCpu&) = delete;
  LayerOnCpu& operator=(const LayerOnCpu&) = delete;

  /// `loss` and its targets for the last layer, nothing for others.
  LayerMemory run(const std::vector<TensorSpec>& inputs, const std::vector<TensorSpec>& outputs,
                  nn::Loss* loss, const std::vector<TensorSpec>& targets) {
    LayerMemory memory;
    for (const nn::Parameter* parameter : layer_.parameters()) {
      memory.gradient_bytes += aligned_bytes(parameter->grad().bytes());
    }
    memory.parameter_bytes = device_->memory().in_use_bytes - memory.gradient_bytes;
    const Tensor loss_value = device_->empty({});
    floor_ = device_->memory().in_use_bytes;
    nn::Context context(*stream_);
    nn::Saved saved;
    nn::Saved loss_saved;
    Tensors passed = zeros(inputs);
    memory.forward_peak_bytes = peak_of(
        [&] { passed = layer_.forward_all(context, std::move(passed), saved); }, targets,
        [&](const std::vector<TensorView>& views) {
          if (loss != nullptr) {
            loss->forward(context, std::exchange(passed, {}), views, 1, loss_value, loss_saved);
          }
        });
    passed.clear();
    memory.saved_after_forward_bytes = in_use();
    if (loss == nullptr) {
      passed = zeros(outputs);
    }
    memory.input_gradient_peak_bytes = peak_of([&] {
      if (loss != nullptr) {
        passed = loss->backward(context, loss_saved);
        loss_saved = nn::Saved();
      }
      passed = layer_.backward_input_all(context, std::move(passed), saved);
    });
    passed.clear();
    memory.saved_after_input_gradient_bytes = in_use();
    memory.weight_gradient_peak_bytes = peak_of([&] { layer_.backward_weight(context, saved); });
    saved = nn::Saved();
    EXPECT_EQ(in_use(), 0U);
    return memory;
  }

 private:
  std::size_t in_use() const { return device_->memory().in_use_bytes - floor_; }

  Tensors zeros(const std::vector<TensorSpec>& specs) {
    Tensors tensors;
    for (const TensorSpec& spec : specs) {
      tensors.push_back(device_->empty(spec));
      const std::vector<std::byte> bytes(spec.bytes());
      stream_->upload(tensors.back(), bytes.data());
      device_->synchronize();
    }
    return tensors;
  }

  std::size_t peak_of(const std::function<void()>& function) {
    return peak_of(function, {}, [](const std::vector<TensorView>&) {});
  }

  // In a device of its own life the peak is the largest so far; a filling up to it makes it that
  // of the function.
  std::size_t peak_of(const std::function<void()>& function, const std::vector<TensorSpec>& targets,
                      const std::function<void(const std::vector<TensorView>&)>& loss) {
    const Tensors held = zeros(targets);
    const MemoryUse before = device_->memory();
    const std::size_t filling = before.peak_bytes - before.in_use_bytes;
    Tensor filler;
    if (filling > 0) {
      filler = device_->empty({{static_cast<std::int64_t>(filling / 4)}});
    }
    function();
    loss({held.begin(), held.end()});
    device_->synchronize();
    return device_->memory().peak_bytes - filling - floor_;
  }

  nn::Layer& layer_;
  const std::unique_ptr<Device> device_ = make_cpu_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  std::size_t floor_ = 0;
};

std::vector<TensorSpec> with_rows(std::vector<TensorSpec> specs, std::int64_t rows) {
  for (TensorSpec& spec : specs) {
    spec = plan::with_rows(spec, rows);
  }
  return specs;
}

void expect_memory_of_the_cpu(nn::Model model, std::int64_t rows) {
  const std::vector<LayerProfile> profile = dry_run(model, rows);
  ASSERT_EQ(profile.size(), model.layers().size());
  std::vector<TensorSpec> inputs = with_rows(model.rows().inputs, rows);
  for (std::size_t i = 0; i < profile.size(); ++i) {
    SCOPED_TRACE(profile[i].name);
    EXPECT_EQ(profile[i].name, model.layers()[i].name);
    const bool last = i + 1 == profile.size();
    const LayerMemory real = LayerOnCpu(model, i).run(
        inputs, profile[i].outputs, last ? &model.loss() : nullptr,
        last ? with_rows(model.rows().targets, rows) : std::vector<TensorSpec>());
    const LayerMemory& dry = profile[i].memory;
    EXPECT_EQ(dry.parameter_bytes, real.parameter_bytes);
    EXPECT_EQ(dry.gradient_bytes, real.gradient_bytes);
    EXPECT_EQ(dry.saved_after_forward_bytes, real.saved_after_forward_bytes);
    EXPECT_EQ(dry.saved_after_input_gradient_bytes, real.saved_after_input_gradient_bytes);
    EXPECT_EQ(dry.forward_peak_bytes, real.forward_peak_bytes);
    EXPECT_EQ(dry.input_gradient_peak_bytes, real.input_gradient_peak_bytes);
    EXPECT_EQ(dry.weight_gradient_peak_bytes, real.weight_gradient_peak_bytes);
    inputs = profile[i].outputs;
  }
}

TEST(DryRunTest, TellsTheMemoryThatEveryLayerOfGpt2Takes) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const float dropout : {0.0F, 0.1F}) {
      for (const std::int64_t rows : {1, 3}) {
        expect_memory_of_the_cpu(nn::gpt2({.vocabulary = 37,
                                           .context = 20,
                                           .layers = 2,
                                           .heads = 2,
                                           .width = 24,
                                           .dropout = dropout,
                                           .dtype = dtype}),
                                 rows);
      }
    }
  }
}

TEST(DryRunTest, TellsTheMemoryThatEveryLayerOfAPerceptronTakes) {
  expect_memory_of_the_cpu(nn::mlp({.inputs = 70, .hidden = 90, .outputs = 3, .layers = 3}), 7);
  expect_memory_of_the_cpu(nn::mlp({.inputs = 5, .hidden = 1, .outputs = 200, .layers = 1}), 2);
  expect_memory_of_the_cpu(
      nn::mlp({.inputs = 70, .hidden = 90, .outputs = 3, .layers = 3, .dtype = DType::bf16}), 7);
}

TEST(DryRunTest, CountsALinearLayerInBf16AsOneDoesByHand) {
  constexpr std::int64_t N = 64;
  constexpr std::int64_t kIn = 128;
  constexpr std::int64_t kOut = 256;
  nn::Model model =
      nn::mlp({.inputs = kIn, .hidden = 1, .outputs = kOut, .layers = 1, .dtype = DType::bf16});
  const LayerProfile linear = dry_run(model, N).at(0);
  const double products = 2.0 * N * kIn * kOut;
  const double words = N * kIn + kIn * kOut + N * kOut;
  EXPECT_THAT(linear.outputs, ElementsAre(TensorSpec{{N, kOut}, DType::bf16}));
  EXPECT_EQ(linear.forward.at(0), (LaunchedOperation{"matmul", 1, products + N * kOut,
                                                     2 * words + 4 * kOut, DType::bf16}));
  EXPECT_EQ(linear.input_gradient.at(0),
            (LaunchedOperation{"matmul", 1, products, 2 * words, DType::bf16}));
  // The gradient is f32, and read and written.
  EXPECT_EQ(linear.weight_gradient.at(0),
            (LaunchedOperation{"matmul", 1, products, 2.0 * (N * kIn + N * kOut) + 8.0 * kIn * kOut,
                               DType::bf16}));
  EXPECT_EQ(linear.memory.parameter_bytes, 4 * (kIn * kOut + kOut) + 2 * kIn * kOut);
  EXPECT_EQ(linear.memory.gradient_bytes, 4 * (kIn * kOut + kOut));
}

TEST(DryRunTest, CountsALinearLayerAsOneDoesByHand) {
  constexpr std::int64_t N = 64;
  constexpr std::int64_t kIn = 32;
  constexpr std::int64_t kOut = 128;
  nn::Model model({.inputs = {{{kIn}}}, .targets = {{{kOut}}}},
                  std::make_unique<nn::MeanSquaredError>());
  model.add("first", std::make_unique<nn::Linear>(
                         nn::LinearConfig{.inputs = kIn, .outputs = kOut, .weight = nn::zeros()}));
  model.add("norm", std::make_unique<nn::LayerNorm>(kOut));
  const std::vector<LayerProfile> profile = dry_run(model, N);

  const LayerProfile& linear = profile[0];
  const double products = 2.0 * N * kIn * kOut;
  const double words = N * kIn + kIn * kOut + N * kOut;
  EXPECT_EQ(linear.parameters, kIn * kOut + kOut);
  EXPECT_THAT(linear.outputs, ElementsAre(TensorSpec{{N, kOut}}));
  EXPECT_THAT(linear.forward,
              ElementsAre(LaunchedOperation{"matmul", 1, products + N * kOut, 4 * (words + kOut)}));
  EXPECT_THAT(linear.input_gradient,
              ElementsAre(LaunchedOperation{"matmul", 1, products, 4 * words}));
  EXPECT_THAT(linear.weight_gradient,
              ElementsAre(LaunchedOperation{"matmul", 1, products, 4 * (words + kIn * kOut)},
                          LaunchedOperation{"column_sum", 1, N * kOut, 4 * (N * kOut + 2 * kOut)}));
  EXPECT_EQ(linear.memory, (LayerMemory{.parameter_bytes = 4 * (kIn * kOut + kOut),
                                        .gradient_bytes = 4 * (kIn * kOut + kOut),
                                        .saved_after_forward_bytes = 4 * N * kIn,
                                        .saved_after_input_gradient_bytes = 4 * N * (kIn + kOut),
                                        .forward_peak_bytes = 4 * N * (kIn + kOut),
                                        .input_gradient_peak_bytes = 4 * N * (2 * kIn + kOut),
                                        .weight_gradient_peak_bytes = 4 * N * (kIn + kOut)}));

  // The norm keeps x, mean and rstd; the loss needs targets in F and keeps dy, which I replaces.
  const LayerProfile& norm = profile[1];
  constexpr std::size_t kWide = 4 * N * kOut;
  constexpr std::size_t kRow = 4 * N;
  EXPECT_EQ(norm.memory, (LayerMemory{.parameter_bytes = 2 * 4 * kOut,
                                      .gradient_bytes = 2 * 4 * kOut,
                                      .saved_after_forward_bytes = 2 * kWide + 2 * kRow,
                                      .saved_after_input_gradient_bytes = 2 * kWide + 2 * kRow,
                                      .forward_peak_bytes = 3 * kWide + 2 * kRow,
                                      .input_gradient_peak_bytes = 3 * kWide + 2 * kRow,
                                      .weight_gradient_peak_bytes = 2 * kWide + 2 * kRow}));
  EXPECT_EQ(norm.forward.at(1).name, "mean_squared_error");
}

// Kaplan et al. 2020 (arXiv:2001.08361), section 2.1: 2 operations per weight and token forward, 4
// backward, and attention's products besides.
TEST(DryRunTest, ProductsOfGpt2FollowTheRuleOfSixOperationsPerWeightAndToken) {
  constexpr double B = 3;
  constexpr double T = 128;
  constexpr double C = 96;
  constexpr double V = 1000;
  constexpr int kLayers = 4;
  nn::Model model =
      nn::gpt2({.vocabulary = 1000, .context = 128, .layers = kLayers, .heads = 4, .width = 96});
  double forward = 0;
  double backward = 0;
  double attention = 0;
  double attention_backward = 0;
  double bias = 0;  // one addition each, counted with the product
  for (const LayerProfile& layer : dry_run(model, 3)) {
    forward += flops_named(layer.forward, "matmul");
    backward +=
        flops_named(layer.input_gradient, "matmul") + flops_named(layer.weight_gradient, "matmul");
    attention += flops_named(layer.forward, "attention");
    attention_backward += flops_named(layer.input_gradient, "attention_backward");
  }
  bias = B * T * kLayers * (3 + 1 + 4 + 1) * C;
  const double weights = kLayers * 12 * C * C + C * V;
  EXPECT_EQ(forward, 2 * weights * B * T + bias);
  EXPECT_EQ(backward, 4 * weights * B * T);
  // Half of the 2 T² C of each product, and the diagonal.
  EXPECT_EQ(attention, kLayers * 2 * B * T * (T + 1) * C);
  EXPECT_EQ(attention_backward, 2.5 * attention);
}

// Launches the same operations in all three functions.
class Launcher final : public nn::Layer {
 public:
  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    launch(context, 1);
    return x;
  }
  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    launch(context, 2);
    return dy;
  }
  void backward_weight(nn::Context& context, nn::Saved& /*saved*/) override { launch(context, 3); }

 private:
  static void launch(nn::Context& context, double flops) {
    const auto nothing = [](cpu::Team& /*team*/) {};
    cpu::launch(context.stream(), {.name = "a", .flops = flops, .bytes_moved = 20}, nothing);
    cpu::launch(context.stream(), {.name = "b", .flops = flops, .bytes_moved = 20}, nothing);
    cpu::launch(context.stream(), {.name = "a", .flops = flops, .bytes_moved = 20}, nothing);
    cpu::launch(context.stream(), {.name = "a", .flops = flops, .bytes_moved = 30}, nothing);
    cpu::launch(context.stream(), {.name = "a", .flops = 40, .bytes_moved = 20}, nothing);
  }
};

TEST(DryRunTest, CountsLaunchesThatAreAlikeTogetherForEachFunction) {
  nn::Model model({.inputs = {{{4}}}, .targets = {{{4}}}},
                  std::make_unique<nn::MeanSquaredError>());
  model.add("first", std::make_unique<Launcher>());
  model.add("last", std::make_unique<nn::Linear>(nn::LinearConfig{4, 4}));
  const LayerProfile profile = dry_run(model, 1).front();
  const auto launched = [](double flops) {
    return LaunchedOperations{
        {"a", 2, flops, 20}, {"b", 1, flops, 20}, {"a", 1, flops, 30}, {"a", 1, 40, 20}};
  };
  EXPECT_EQ(profile.forward, launched(1));
  EXPECT_EQ(profile.input_gradient, launched(2));
  EXPECT_EQ(profile.weight_gradient, launched(3));
  EXPECT_EQ(flops_of(profile.input_gradient), 4 * 2 + 40);
}

TEST(DryRunTest, TakesNoTimeAndNoMemoryForAHundredBillionParameters) {
  nn::Model model =
      nn::gpt2({.vocabulary = 50257, .context = 2048, .layers = 96, .heads = 96, .width = 12288});
  std::int64_t parameters = 0;
  for (const LayerProfile& layer : dry_run(model, 4)) {
    parameters += layer.parameters;
  }
  EXPECT_EQ(parameters, model.parameter_count());
  EXPECT_FALSE(model.parameters().front()->materialized());
}

TEST(DryRunTest, NamesTheLayerThatDoesNotFit) {
  nn::Model model({.inputs = {{{4}}}, .targets = {{{4}}}},
                  std::make_unique<nn::MeanSquaredError>());
  model.add("first", std::make_unique<nn::Linear>(nn::LinearConfig{4, 5}));
  model.add("second", std::make_unique<nn::Linear>(nn::LinearConfig{6, 4}));
  try {
    dry_run(model, 2);
    FAIL() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("layer second: matmul"));
  }
  EXPECT_FALSE(model.parameters().front()->materialized());
}

}  // namespace
}  // namespace lockflight::plan
