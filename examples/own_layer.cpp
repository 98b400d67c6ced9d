// Bring your own layer: three functions, a check, and it runs in a pipeline.

#include <cmath>
#include <iostream>
#include <memory>

#include "lockflight/lockflight.h"

namespace {

using namespace lockflight;

// [layer]
/// y = x * scale, one learned factor per channel.  x, y [.., C]; scale [C].
class ChannelScale final : public nn::Layer {
 public:
  explicit ChannelScale(std::int64_t channels)
      : scale_("scale", {{channels}, DType::f32}, nn::ones()) {}

  std::vector<nn::Parameter*> parameters() override { return {&scale_}; }

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& saved) override {
    Tensor y = context.empty(x.spec());
    multiply_rows(context.stream(), y, x, scale_.value());
    saved.keep(std::move(x));
    return y;
  }

  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& saved) override {
    Tensor dx = context.empty(dy.spec());
    multiply_rows(context.stream(), dx, dy, scale_.value());
    saved.keep(std::move(dy));  // the weights' gradient may be asked for much later
    return dx;
  }

  void backward_weight(nn::Context& context, nn::Saved& saved) override {
    const TensorView x = saved[0];
    const TensorView dy = saved[1];
    const TensorView dscale = scale_.grad();
    cpu::launch(context.stream(), {.name = "scale_gradient"}, [=](cpu::Team&) {
      for (std::int64_t i = 0; i < x.elements(); ++i) {
        dscale.as<float>()[i % dscale.elements()] += x.as<float>()[i] * dy.as<float>()[i];
      }
    });
  }

 private:
  // An operation of one's own: enqueued now, run later, skipped in a dry run.
  static void multiply_rows(Stream& stream, TensorView y, TensorView x, TensorView row) {
    cpu::launch(stream, {.name = "multiply_rows"}, [=](cpu::Team&) {
      for (std::int64_t i = 0; i < x.elements(); ++i) {
        y.as<float>()[i] = x.as<float>()[i] * row.as<float>()[i % row.elements()];
      }
    });
  }

  nn::Parameter scale_;
};
// [layer]

// Rows of eight numbers; the target is each number times its place.
Batch make_batch(std::int64_t rows, std::uint32_t step) {
  const TensorSpec spec{{rows, 8}, DType::f32};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  Random random({.seed = 1, .step = step});
  for (std::int64_t i = 0; i < rows * 8; ++i) {
    const auto x = static_cast<float>(random.next_normal());
    batch.inputs[0].as<float>()[i] = x;
    batch.targets[0].as<float>()[i] = x * static_cast<float>(i % 8);
  }
  return batch;
}

}  // namespace

int main() {
  // [check]
  const auto device = make_cpu_device();
  ChannelScale layer(8);
  const auto check = nn::gradient_check(*device, layer, {{{4, 8}, DType::f32}});
  for (const std::string& finding : check.findings) {
    std::cout << finding << '\n';
  }
  // [check]

  // [model]
  const TensorSpec row{{8}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<nn::MeanSquaredError>());
  model.add("first", std::make_unique<ChannelScale>(8));
  model.add("second", std::make_unique<ChannelScale>(8));
  // [model]

  World world = World::threads({.ranks = 2});
  const Plan plan =
      make_plan(model, world, {.micro_batch = {.rows = 4}, .micro_batches = 4, .split = {1, 1}});
  Pipeline pipeline(world, std::move(model), plan);
  train::Sgd optimizer(pipeline.parameters(), {.learning_rate = 0.05F});
  float loss = 0;
  for (std::uint32_t step = 0; step < 200; ++step) {
    loss = pipeline.forward_backward(make_batch(plan.batch().rows(), step)).loss;
    optimizer.step();
  }
  std::cout << "loss after 200 steps: " << loss << '\n';
  return check.findings.empty() && std::isfinite(loss) && loss < 0.1F ? 0 : 1;
}
