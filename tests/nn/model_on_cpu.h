// A language model run whole on a CPU device, from tokens to the loss and back.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "nn/on_cpu.h"

namespace lockflight::nn {

class ModelOnCpu : public OnCpu {
 protected:
  static constexpr std::int64_t kVocabulary = 11;
  static constexpr std::int64_t kContext = 6;

  // The loss of one micro-batch, and perhaps gradients.
  float run(const Model& model, const TensorView& targets, Tensor tokens, bool backward = false) {
    const Tensor loss = device_->empty({});
    std::vector<Saved> saved(model.layers().size());
    Saved of_loss;
    Tensors tensors;
    tensors.push_back(std::move(tokens));
    for (std::size_t i = 0; i < saved.size(); ++i) {
      context_.layer = static_cast<std::uint32_t>(i);
      tensors = model.layers()[i].layer->forward_all(context_, std::move(tensors), saved[i]);
    }
    model.loss().forward(context_, std::move(tensors), {targets}, 1.0F, loss, of_loss);
    if (backward) {
      tensors = model.loss().backward(context_, of_loss);
      for (std::size_t i = saved.size(); i-- > 0;) {
        Layer& layer = *model.layers()[i].layer;
        context_.layer = static_cast<std::uint32_t>(i);
        tensors = layer.backward_input_all(context_, std::move(tensors), saved[i]);
        layer.backward_weight(context_, saved[i]);
      }
    }
    return read(loss).at(0);
  }

  Tensor tokens_of(std::uint64_t seed) {
    std::vector<std::int32_t> tokens(2 * kContext);
    Random random({.seed = seed});
    for (std::int32_t& token : tokens) {
      token = static_cast<std::int32_t>(random.next_below(kVocabulary));
    }
    return tensor({{2, kContext}, DType::i32}, tokens);
  }

  using OnCpu::materialize;
  void materialize(const Model& model) {
    for (Parameter* parameter : model.parameters()) {
      parameter->materialize(*device_, *stream_, 1);
    }
  }

  // Along the gradient itself the derivative is the gradient's length.
  void expect_right_gradients(const Model& model) {
    materialize(model);
    const Tensor targets = tokens_of(2);
    run(model, targets, tokens_of(1), true);
    for (Parameter* parameter : model.parameters()) {
      const std::vector<float> value = read(parameter->value());
      const std::vector<float> gradient = read(parameter->grad());
      double squares = 0;
      for (const float g : gradient) {
        squares += static_cast<double>(g) * static_cast<double>(g);
      }
      const double length = std::sqrt(squares);
      ASSERT_GT(length, 1e-4) << parameter->name();
      // L changes by about 4e-4: far more than its rounding, and little enough to be smooth.
      const double step = std::min(0.1, 4e-4 / length);
      const auto moved = [&](double by) {
        std::vector<float> changed = value;
        for (std::size_t i = 0; i < changed.size(); ++i) {
          changed[i] += static_cast<float>(by * static_cast<double>(gradient[i]) / length);
        }
        write(parameter->value(), changed);
        return static_cast<double>(run(model, targets, tokens_of(1)));
      };
      const double slope =
          (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
      moved(0);
      EXPECT_NEAR(slope / length, 1, 0.02) << parameter->name();
    }
  }
};

}  // namespace lockflight::nn
