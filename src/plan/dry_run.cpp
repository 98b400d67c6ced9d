#include "lockflight/plan/dry_run.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/device/meta_device.h"
#include "plan/materialized.h"
#include "plan/stage.h"

namespace lockflight::plan {
namespace {

LaunchedOperations merged(const std::vector<OpCost>& launched) {
  LaunchedOperations operations;
  for (const OpCost& cost : launched) {
    const auto alike = [&](const LaunchedOperation& operation) {
      return operation.name == cost.name && operation.flops == cost.flops &&
             operation.bytes_moved == cost.bytes_moved && operation.dtype == cost.dtype;
    };
    auto operation = std::ranges::find_if(operations, alike);
    if (operation == operations.end()) {
      operation = operations.insert(operations.end(), {.name = std::string(cost.name),
                                                       .flops = cost.flops,
                                                       .bytes_moved = cost.bytes_moved,
                                                       .dtype = cost.dtype});
    }
    ++operation->launches;
  }
  return operations;
}

// Where the layers run, with a view of what they do to its memory.
class Bench {
 public:
  Device& device() { return *device_; }
  Stream& stream() { return *stream_; }

  Tensors empty(const std::vector<TensorSpec>& specs) {
    Tensors tensors;
    for (const TensorSpec& spec : specs) {
      tensors.push_back(device_->empty(spec));
    }
    return tensors;
  }

  std::size_t in_use() const { return device_->memory().in_use_bytes; }

  struct Observed {
    Tensors results;
    LaunchedOperations operations;
    std::size_t peak_bytes;  // above `floor`
  };

  // Runs one function of a layer; `floor` is what was in use before anything of the layer was.
  template <class Function>
  Observed observe(std::size_t floor, const Function& function) {
    // A device tells only the peak of its whole life.  So this fills its memory up to that, and
    // what the peak grows by is the function's own.
    const MemoryUse before = device_->memory();
    const std::size_t filling = before.peak_bytes - before.in_use_bytes;
    Tensor filler;
    if (filling > 0) {
      filler = device_->empty({{static_cast<std::int64_t>(filling / size_of(DType::f32))}});
    }
    take_operations(*device_);
    Observed observed{.results = function()};
    observed.operations = merged(take_operations(*device_));
    observed.peak_bytes = device_->memory().peak_bytes - filling - floor;
    return observed;
  }

 private:
  const std::unique_ptr<Device> device_ = make_meta_device({.record_operations = true});
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
};

std::vector<TensorSpec> gradients_of(std::vector<TensorSpec> specs) {
  std::erase_if(specs, [](const TensorSpec& spec) { return !has_gradient(spec); });
  return specs;
}

// A layer with whatever follows it in its stage: the loss, or nothing.
struct Subject {
  nn::NamedLayer& named;
  int number;
  nn::Loss* loss;                          // of the last layer
  const std::vector<TensorSpec>& targets;  // of the last layer
};

std::vector<TensorSpec> outputs_of(const Subject& subject, const std::vector<TensorSpec>& inputs,
                                   Bench& bench) {
  nn::Context context(bench.stream());
  nn::Saved saved;
  std::vector<TensorSpec> outputs;
  for (const Tensor& output :
       subject.named.layer->forward_all(context, bench.empty(inputs), saved)) {
    outputs.push_back(output.spec());
  }
  return outputs;
}

void run_functions(const Subject& subject, const std::vector<TensorSpec>& inputs, bool backward,
                   Bench& bench, LayerProfile& profile) {
  Stage stage(std::span(&subject.named, 1), subject.number);
  stage.begin_step(1);
  nn::Context context(bench.stream());
  const Tensor loss_value = bench.device().empty({});
  const std::size_t floor = bench.in_use();

  Tensors tensors = bench.empty(inputs);
  Tensors targets = bench.empty(subject.targets);
  const std::vector<TensorView> target_views(targets.begin(), targets.end());
  const LossInputs loss{
      .loss = subject.loss, .targets = target_views, .scale = 1.0F, .value = loss_value};
  auto observed = bench.observe(floor, [&] {
    return stage.forward(context, std::move(tensors), subject.loss != nullptr ? &loss : nullptr,
                         true);
  });
  profile.forward = std::move(observed.operations);
  profile.memory.forward_peak_bytes = observed.peak_bytes;
  observed.results.clear();
  targets.clear();
  profile.memory.saved_after_forward_bytes = bench.in_use() - floor;
  if (!backward) {
    return;
  }

  tensors = subject.loss != nullptr ? Tensors() : bench.empty(gradients_of(profile.outputs));
  observed = bench.observe(
      floor, [&] { return stage.backward_input(context, std::move(tensors), subject.loss); });
  profile.input_gradient = std::move(observed.operations);
  profile.memory.input_gradient_peak_bytes = observed.peak_bytes;
  observed.results.clear();
  profile.memory.saved_after_input_gradient_bytes = bench.in_use() - floor;

  observed = bench.observe(floor, [&] {
    stage.backward_weight(context);
    return Tensors();
  });
  profile.weight_gradient = std::move(observed.operations);
  profile.memory.weight_gradient_peak_bytes = observed.peak_bytes;
}

LayerProfile profile_of(const Subject& subject, const std::vector<TensorSpec>& inputs,
                        bool backward, Bench& bench) {
  LayerProfile profile{.name = subject.named.name};
  for (const nn::Parameter* parameter : subject.named.layer->parameters()) {
    profile.parameters += parameter->elements();
    profile.memory.parameter_bytes += parameter->value_bytes();
    profile.memory.gradient_bytes += parameter->gradient_bytes();
  }
  try {
    profile.outputs = outputs_of(subject, inputs, bench);
    run_functions(subject, inputs, backward, bench, profile);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("layer {}: {}", subject.named.name, error.what()));
  }
  return profile;
}

std::vector<TensorSpec> all_with_rows(std::vector<TensorSpec> specs, std::int64_t rows) {
  for (TensorSpec& spec : specs) {
    spec = with_rows(spec, rows);
  }
  return specs;
}

}  // namespace

double flops_of(const LaunchedOperations& operations) {
  double flops = 0;
  for (const LaunchedOperation& operation : operations) {
    flops += static_cast<double>(operation.launches) * operation.flops;
  }
  return flops;
}

TensorSpec with_rows(const TensorSpec& row, std::int64_t rows) {
  std::vector<std::int64_t> extents = {rows};
  extents.insert(extents.end(), row.shape.extents().begin(), row.shape.extents().end());
  return {Shape(extents), row.dtype};
}

std::vector<LayerProfile> dry_run(nn::Model& model, std::int64_t rows, bool backward) {
  Bench bench;
  const Materialized materialized(model, bench.device(), bench.stream());
  const std::vector<TensorSpec> targets = all_with_rows(model.rows().targets, rows);
  const std::vector<TensorSpec> none;
  std::vector<TensorSpec> inputs = all_with_rows(model.rows().inputs, rows);
  std::vector<LayerProfile> profiles;
  for (nn::NamedLayer& named : model.layers()) {
    const bool last = &named == &model.layers().back();
    const Subject subject{.named = named,
                          .number = static_cast<int>(profiles.size()),
                          .loss = last ? &model.loss() : nullptr,
                          .targets = last ? targets : none};
    profiles.push_back(profile_of(subject, inputs, backward, bench));
    inputs = profiles.back().outputs;
  }
  return profiles;
}

}  // namespace lockflight::plan
