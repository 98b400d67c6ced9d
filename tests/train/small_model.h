// A small model that trains, of plain loops:  y = tanh(scale x + shift), layer after layer, against
// the squared error.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/device/launch.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"

namespace lockflight::train {

/// scale [1, C] decays, shift [C] does not.
class ScaleAndShift final : public nn::Layer {
 public:
  explicit ScaleAndShift(std::int64_t width)
      : scale_("scale", {{1, width}, DType::f32}, nn::normal(1.0)),
        shift_("shift", {{width}, DType::f32}, nn::zeros()) {}

  std::vector<nn::Parameter*> parameters() override { return {&scale_, &shift_}; }

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& saved) override {
    Tensor y = context.empty(x.spec());
    each(context, x,
         [=, x = x.view(), y = y.view(), scale = scale_.value(), shift = shift_.value()](
             std::int64_t i, std::int64_t c) {
           const float* const in = x.as<float>();
           y.as<float>()[i] = std::tanh(scale.as<float>()[c] * in[i] + shift.as<float>()[c]);
         });
    saved.keep(std::move(x));
    saved.keep(y.share());
    return y;
  }

  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& saved) override {
    Tensor dx = context.empty(dy.spec());
    Tensor inner = context.empty(dy.spec());
    each(context, dy,
         [dy = dy.view(), dx = dx.view(), inner = inner.view(), y = saved[1],
          scale = scale_.value()](std::int64_t i, std::int64_t c) {
           const float out = y.as<float>()[i];
           inner.as<float>()[i] = dy.as<float>()[i] * (1 - out * out);
           dx.as<float>()[i] = inner.as<float>()[i] * scale.as<float>()[c];
         });
    saved.keep(std::move(inner));
    return dx;
  }

  void backward_weight(nn::Context& context, nn::Saved& saved) override {
    each(context, saved[0],
         [x = saved[0], inner = saved[2], dscale = scale_.grad(), dshift = shift_.grad()](
             std::int64_t i, std::int64_t c) {
           dscale.as<float>()[c] += inner.as<float>()[i] * x.as<float>()[i];
           dshift.as<float>()[c] += inner.as<float>()[i];
         });
  }

 private:
  template <typename Body>
  static void each(nn::Context& context, const TensorView& like, Body body) {
    cpu::launch(
        context.stream(), {.name = "each", .flops = 1},
        [rows = like.shape().rows(), columns = like.shape().columns(), body](cpu::Team& /*team*/) {
          for (std::int64_t i = 0; i < rows * columns; ++i) {
            body(i, i % columns);
          }
        });
  }

  nn::Parameter scale_;
  nn::Parameter shift_;
};

class SquaredError final : public nn::Loss {
 public:
  void forward(nn::Context& context, Tensors outputs, const std::vector<TensorView>& targets,
               float scale, const TensorView& loss, nn::Saved& saved) override {
    Tensor gradient = context.empty(outputs[0].spec());
    cpu::launch(context.stream(), {.name = "squared_error"},
                [y = outputs[0].view(), t = targets[0], d = gradient.view(), loss,
                 scale](cpu::Team& /*team*/) {
                  const auto count = static_cast<float>(y.elements());
                  float sum = 0;
                  for (std::int64_t i = 0; i < y.elements(); ++i) {
                    const float error = y.as<float>()[i] - t.as<float>()[i];
                    sum += error * error;
                    d.as<float>()[i] = 2 * error * scale / count;
                  }
                  *loss.as<float>() = sum / count;
                });
    saved.keep(std::move(gradient));
  }

  Tensors backward(nn::Context& /*context*/, nn::Saved& saved) override {
    Tensors gradients;
    gradients.push_back(saved.take(0));
    return gradients;
  }
};

constexpr std::int64_t kWidth = 5;

/// Parameters "layerN.scale" and "layerN.shift".
inline nn::Model small_model(int layers, bool tied = false) {
  const TensorSpec row{{kWidth}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<SquaredError>());
  for (int i = 0; i < layers; ++i) {
    model.add("layer" + std::to_string(i), std::make_unique<ScaleAndShift>(kWidth));
  }
  if (tied) {
    model.tie({.first = "layer0.scale", .second = "layer" + std::to_string(layers - 1) + ".scale"});
  }
  return model;
}

/// A world, and the small model's pipeline in it.
struct SmallPipeline {
  explicit SmallPipeline(int ranks, int layers = 4, bool tied = false)
      : world(World::threads({.ranks = ranks})), pipeline(make(layers, tied)) {}

  Pipeline make(int layers, bool tied) {
    nn::Model model = small_model(layers, tied);
    const Plan plan = make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = 3});
    return {world, std::move(model), plan, {.seed = 7}};
  }

  World world;
  Pipeline pipeline;
};

/// A batch of the small model that depends on the step alone.
inline Batch small_batch(std::uint32_t step) {
  const TensorSpec spec{{6, kWidth}, DType::f32};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  Random random({.seed = 99, .step = step});
  for (float& value : batch.inputs[0].as<float>()) {
    value = static_cast<float>(random.next_normal());
  }
  for (float& value : batch.targets[0].as<float>()) {
    value = static_cast<float>(0.5 * random.next_normal());
  }
  return batch;
}

}  // namespace lockflight::train
