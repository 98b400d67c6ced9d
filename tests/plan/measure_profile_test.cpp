#include "lockflight/plan/measure_profile.h"

#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/nn/mlp.h"

namespace lockflight::plan {
namespace {

using testing::HasSubstr;

void expect_a_measurement(nn::Model model, std::int64_t rows, StreamMode mode) {
  const auto device = make_cpu_device({.mode = mode});
  const Profile profile =
      measure_profile(model, *device, rows, {.warm_up = 1, .repetitions = 3, .integers_below = 5});
  EXPECT_TRUE(profile.measured);
  EXPECT_EQ(profile.device, "cpu");
  EXPECT_EQ(profile.rows, rows);
  const std::vector<LayerProfile> layers = dry_run(model, rows);
  ASSERT_EQ(profile.layers.size(), layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerCost cost = profile.layers[i];
    for (const double seconds :
         {cost.seconds.forward, cost.seconds.input_gradient, cost.seconds.weight_gradient}) {
      EXPECT_TRUE(std::isfinite(seconds) && seconds >= 0 && seconds < 100) << cost.name;
    }
    EXPECT_GT(cost.seconds.forward, 0) << cost.name;
    EXPECT_GT(cost.seconds.weight_gradient, 0) << cost.name;
    cost.seconds = {};
    EXPECT_EQ(cost, cost_of(layers[i]));
  }
  for (const nn::Parameter* parameter : model.parameters()) {
    EXPECT_FALSE(parameter->materialized());
  }
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
  EXPECT_EQ(parse_profile(to_json(profile), "p.json"), profile);
}

TEST(MeasureProfileTest, GivesTimesAndLeavesNoMemoryBehind) {
  for (const StreamMode mode : {StreamMode::worker, StreamMode::threads}) {
    expect_a_measurement(nn::gpt2({.vocabulary = 5,
                                   .context = 16,
                                   .layers = 2,
                                   .heads = 2,
                                   .width = 16,
                                   .dropout = 0.1F,
                                   .tied = true}),
                         2, mode);
    expect_a_measurement(nn::mlp({.inputs = 8, .hidden = 16, .outputs = 4, .layers = 3}), 3, mode);
    expect_a_measurement(nn::mlp({.inputs = 8, .hidden = 16, .outputs = 4, .layers = 1}), 1, mode);
    expect_a_measurement(
        nn::mlp({.inputs = 8, .hidden = 16, .outputs = 4, .layers = 3, .dtype = DType::bf16}), 3,
        mode);
  }
}

// Passes its input on and remembers what came in, forward and backward.
class Witness final : public nn::Layer {
 public:
  struct Seen {
    std::set<float> inputs;
    std::set<float> gradients;
    int forwards = 0;
  };
  explicit Witness(Seen& seen) : seen_(seen) {}

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    if (context.device().kind() == DeviceKind::cpu) {
      ++seen_.forwards;
      cpu::launch(context.stream(), {.name = "witness"}, [this, v = x.view()](cpu::Team&) {
        seen_.inputs.insert(v.as<float>(), v.as<float>() + v.elements());
      });
    }
    return x;
  }
  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    cpu::launch(context.stream(), {.name = "witness"}, [this, v = dy.view()](cpu::Team&) {
      seen_.gradients.insert(v.as<float>(), v.as<float>() + v.elements());
    });
    return dy;
  }

 private:
  Seen& seen_;
};

// y = 2 x
class Doubling final : public nn::Layer {
 public:
  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    return doubled(context, std::move(x));
  }
  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    return doubled(context, std::move(dy));
  }

 private:
  static Tensor doubled(nn::Context& context, Tensor x) {
    cpu::launch(context.stream(), {.name = "double"}, [v = x.view()](cpu::Team&) {
      for (std::int64_t i = 0; i < v.elements(); ++i) {
        v.as<float>()[i] *= 2;
      }
    });
    return x;
  }
};

TEST(MeasureProfileTest, ChainsActivationsForwardAndTheLossesGradientBackward) {
  Witness::Seen first;
  Witness::Seen second;
  nn::Model model({.inputs = {{{4}}}, .targets = {{{4}}}},
                  std::make_unique<nn::MeanSquaredError>());
  model.add("first", std::make_unique<Witness>(first));
  model.add("doubling", std::make_unique<Doubling>());
  model.add("second", std::make_unique<Witness>(second));
  const auto device = make_cpu_device();
  measure_profile(model, *device, 3, {.warm_up = 2, .repetitions = 4});
  EXPECT_EQ(first.forwards, 1 + 6);  // once for the chain
  EXPECT_EQ(second.forwards, 6);
  // 12 numbers, the same in every run, and twice them behind.
  ASSERT_EQ(first.inputs.size(), 12U);
  ASSERT_EQ(second.gradients.size(), 12U);
  std::set<float> twice;
  for (const float x : first.inputs) {
    twice.insert(2 * x);
  }
  EXPECT_EQ(second.inputs, twice);
  twice.clear();
  for (const float dy : second.gradients) {
    twice.insert(2 * dy);
  }
  EXPECT_EQ(first.gradients, twice);
}

TEST(MeasureProfileTest, GivesMemoryBackWhenALayerFails) {
  nn::Model model = nn::gpt2({.vocabulary = 4, .context = 8, .layers = 1, .heads = 1, .width = 8});
  const auto device = make_cpu_device();
  // Tokens that the vocabulary does not have.
  EXPECT_THROW(measure_profile(model, *device, 1, {.integers_below = 1000}), Error);
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
  for (const nn::Parameter* parameter : model.parameters()) {
    EXPECT_FALSE(parameter->materialized());
  }
}

TEST(MeasureProfileTest, RefusesWhatCannotBeMeasured) {
  nn::Model model = nn::mlp({.inputs = 3, .hidden = 4, .outputs = 2, .layers = 2});
  const auto meta = make_meta_device();
  const auto cpu = make_cpu_device();
  const auto refusal = [&](Device& device, const MeasureOptions& options) {
    try {
      measure_profile(model, device, 1, options);
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal(*meta, {}), HasSubstr("a meta device runs nothing"));
  EXPECT_THAT(refusal(*cpu, {.repetitions = 0}), HasSubstr("0 that count"));
  EXPECT_THAT(refusal(*cpu, {.warm_up = -1}), HasSubstr("-1 runs to warm up"));
  EXPECT_THAT(refusal(*cpu, {.integers_below = 0}), HasSubstr("integers below 0"));
}

}  // namespace
}  // namespace lockflight::plan
