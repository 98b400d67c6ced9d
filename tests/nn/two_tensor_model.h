// A small model whose layers pass two tensors to each other.
//
//   x ─ Split ─ a, b ─ Mix ─ … ─ Mix ─ a, b ─ Join ─ y
//
// Its kernels are plain loops.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/device/launch.h"
#include "lockflight/nn/layer.h"

namespace lockflight::nn::two_tensors {

/// Enqueues body(row * C + column, column) for every element of `like`.
template <class Body>
void for_each_element(Context& context, const TensorView& like, Body body) {
  const std::int64_t rows = like.shape().rows();
  const std::int64_t columns = like.shape().columns();
  cpu::launch(context.stream(), {.name = "for_each_element"}, [=](cpu::Team& /*team*/) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        body(row * columns + column, column);
      }
    }
  });
}

inline Tensors pair_of(Tensor first, Tensor second) {
  Tensors pair;
  pair.push_back(std::move(first));
  pair.push_back(std::move(second));
  return pair;
}

/// a = scale * x, b = tanh(x).  x, a, b [rows, C]; scale [C].
class Split final : public Layer {
 public:
  explicit Split(std::int64_t width) : scale_("scale", {{width}}, normal(1.0)) {}
  std::vector<Parameter*> parameters() override { return {&scale_}; }

  Tensors forward_all(Context& context, Tensors inputs, Saved& saved) override {
    Tensor& x = inputs.at(0);
    Tensor a = context.empty(x.spec());
    Tensor b = context.empty(x.spec());
    for_each_element(context, x,
                     [x = x.view().as<float>(), a = a.view().as<float>(), b = b.view().as<float>(),
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       a[i] = scale[c] * x[i];
                       b[i] = std::tanh(x[i]);
                     });
    saved.keep(std::move(x));
    return pair_of(std::move(a), std::move(b));
  }

  Tensors backward_input_all(Context& context, Tensors gradients, Saved& saved) override {
    const TensorView x = saved[0];
    Tensor dx = context.empty(x.spec());
    for_each_element(context, x,
                     [x = x.as<float>(), da = gradients.at(0).view().as<float>(),
                      db = gradients.at(1).view().as<float>(), dx = dx.view().as<float>(),
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       const float b = std::tanh(x[i]);
                       dx[i] = scale[c] * da[i] + (1 - b * b) * db[i];
                     });
    saved.keep(std::move(gradients[0]));
    Tensors result;
    result.push_back(std::move(dx));
    return result;
  }

  void backward_weight(Context& context, Saved& saved) override {
    for_each_element(
        context, saved[0],
        [x = saved[0].as<float>(), da = saved[1].as<float>(), dscale = scale_.grad().as<float>()](
            std::int64_t i, std::int64_t c) { dscale[c] += da[i] * x[i]; });
  }

 private:
  Parameter scale_;
};

/// u = a + scale * b, v = a * b.  All [rows, C]; scale [C].
class Mix final : public Layer {
 public:
  explicit Mix(std::int64_t width) : scale_("scale", {{width}}, normal(0.5)) {}
  std::vector<Parameter*> parameters() override { return {&scale_}; }

  Tensors forward_all(Context& context, Tensors inputs, Saved& saved) override {
    Tensor& a = inputs.at(0);
    Tensor& b = inputs.at(1);
    Tensor u = context.empty(a.spec());
    Tensor v = context.empty(a.spec());
    for_each_element(context, a,
                     [a = a.view().as<float>(), b = b.view().as<float>(), u = u.view().as<float>(),
                      v = v.view().as<float>(),
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       u[i] = a[i] + scale[c] * b[i];
                       v[i] = a[i] * b[i];
                     });
    saved.keep(std::move(a));
    saved.keep(std::move(b));
    return pair_of(std::move(u), std::move(v));
  }

  Tensors backward_input_all(Context& context, Tensors gradients, Saved& saved) override {
    Tensor da = context.empty(saved[0].spec());
    Tensor db = context.empty(saved[0].spec());
    for_each_element(
        context, saved[0],
        [a = saved[0].as<float>(), b = saved[1].as<float>(),
         du = gradients.at(0).view().as<float>(), dv = gradients.at(1).view().as<float>(),
         da = da.view().as<float>(), db = db.view().as<float>(),
         scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
          da[i] = du[i] + b[i] * dv[i];
          db[i] = scale[c] * du[i] + a[i] * dv[i];
        });
    saved.keep(std::move(gradients[0]));
    return pair_of(std::move(da), std::move(db));
  }

  void backward_weight(Context& context, Saved& saved) override {
    for_each_element(
        context, saved[1],
        [b = saved[1].as<float>(), du = saved[2].as<float>(), dscale = scale_.grad().as<float>()](
            std::int64_t i, std::int64_t c) { dscale[c] += du[i] * b[i]; });
  }

 private:
  Parameter scale_;
};

/// y = a + scale * b.  All [rows, C]; scale [C].
class Join final : public Layer {
 public:
  explicit Join(std::int64_t width) : scale_("scale", {{width}}, normal(0.5)) {}
  std::vector<Parameter*> parameters() override { return {&scale_}; }

  Tensors forward_all(Context& context, Tensors inputs, Saved& saved) override {
    Tensor& a = inputs.at(0);
    Tensor& b = inputs.at(1);
    Tensor y = context.empty(a.spec());
    for_each_element(context, a,
                     [a = a.view().as<float>(), b = b.view().as<float>(), y = y.view().as<float>(),
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       y[i] = a[i] + scale[c] * b[i];
                     });
    saved.keep(std::move(b));
    Tensors result;
    result.push_back(std::move(y));
    return result;
  }

  Tensors backward_input_all(Context& context, Tensors gradients, Saved& saved) override {
    Tensor db = context.empty(saved[0].spec());
    for_each_element(context, saved[0],
                     [dy = gradients.at(0).view().as<float>(), db = db.view().as<float>(),
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       db[i] = scale[c] * dy[i];
                     });
    saved.keep(gradients[0].share());
    return pair_of(std::move(gradients[0]), std::move(db));
  }

  void backward_weight(Context& context, Saved& saved) override {
    for_each_element(
        context, saved[0],
        [b = saved[0].as<float>(), dy = saved[1].as<float>(), dscale = scale_.grad().as<float>()](
            std::int64_t i, std::int64_t c) { dscale[c] += dy[i] * b[i]; });
  }

 private:
  Parameter scale_;
};

}  // namespace lockflight::nn::two_tensors
