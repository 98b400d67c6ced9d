#include "nn/layer_bench.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace lockflight::nn {
namespace {

constexpr std::uint32_t kNan = 0x7FC0DEAD;

HostTensor nans(std::int64_t count) {
  return {{{count}}, std::vector<std::uint32_t>(static_cast<std::size_t>(count), kNan)};
}

}  // namespace

LayerBench::LayerBench(Device& device, Layer& layer, std::uint64_t seed)
    : device_(device),
      layer_(layer),
      seed_(seed),
      stream_(device.make_stream(StreamRole::compute)),
      parameters_(layer.parameters()),
      random_({.seed = seed}) {
  poison();
  for (Parameter* parameter : parameters_) {
    add_guard();
    parameter->materialize(device_, *stream_, seed_);
    // Initial values are often all zeros or ones, for which much goes unnoticed.
    HostTensor& value = values_.emplace_back(read_back(parameter->value()));
    for (std::size_t i = 0; i < value.words.size(); ++i) {
      const double initial = std::round(static_cast<double>(value.at(i)) / kGrid) * kGrid;
      value.set(i, static_cast<float>(initial) + draw(0.3));
    }
    set_value(values_.size() - 1, value);
  }
  add_guard();
}

LayerBench::~LayerBench() {
  for (Parameter* parameter : parameters_) {
    parameter->dematerialize();
  }
}

HostTensor LayerBench::random_tensor(const TensorSpec& spec, std::int64_t integers_below) {
  HostTensor host{spec, std::vector<std::uint32_t>(static_cast<std::size_t>(spec.elements()))};
  for (std::size_t i = 0; i < host.words.size(); ++i) {
    if (spec.dtype == DType::i32) {
      const auto bound = static_cast<std::uint64_t>(integers_below);
      host.words[i] = static_cast<std::uint32_t>(random_.next_below(bound));
    } else {
      host.set(i, draw(1.0));
    }
  }
  return host;
}

HostTensors LayerBench::forward(const HostTensors& inputs, std::uint32_t micro_batch,
                                Saved& saved) {
  Context here = context(micro_batch);
  return read_all(layer_.forward_all(here, feed(inputs, inputs_), saved));
}

HostTensors LayerBench::backward_input(const HostTensors& output_gradients,
                                       std::uint32_t micro_batch, Saved& saved) {
  Context here = context(micro_batch);
  return read_all(
      layer_.backward_input_all(here, feed(output_gradients, output_gradients_), saved));
}

void LayerBench::backward_weight(std::uint32_t micro_batch, Saved& saved) {
  Context here = context(micro_batch);
  layer_.backward_weight(here, saved);
  saved = {};
  device_.synchronize();
}

void LayerBench::set_value(std::size_t parameter, const HostTensor& value) {
  const auto* values = reinterpret_cast<const float*>(value.words.data());
  parameters_[parameter]->set(*stream_, {values, value.words.size()});
  device_.synchronize();
}

void LayerBench::clear_gradients() {
  for (Parameter* parameter : parameters_) {
    const std::vector<float> zeros(static_cast<std::size_t>(parameter->elements()));
    stream_->upload(parameter->grad(), zeros.data());
    device_.synchronize();
  }
}

void LayerBench::poison() { to_device(nans(std::int64_t{1} << 20)); }

bool LayerBench::guards_hold() {
  return std::ranges::all_of(guards_, [this](const Tensor& guard) {
    return read_back(guard) == nans(guard.spec().elements());
  });
}

bool LayerBench::inputs_hold() { return holds(inputs_); }

bool LayerBench::output_gradients_hold() { return holds(output_gradients_); }

Context LayerBench::context(std::uint32_t micro_batch) const {
  Context context(*stream_);
  context.seed = seed_;
  context.micro_batch = micro_batch;
  return context;
}

Tensor LayerBench::to_device(const HostTensor& host) {
  Tensor tensor = device_.empty(host.spec);
  stream_->upload(tensor, host.words.data());
  device_.synchronize();
  return tensor;
}

HostTensor LayerBench::read_back(const TensorView& view) {
  HostTensor host{view.spec(),
                  std::vector<std::uint32_t>(static_cast<std::size_t>(view.elements()))};
  stream_->download(host.words.data(), view);
  device_.synchronize();
  return host;
}

HostTensors LayerBench::read_all(const Tensors& tensors) {
  HostTensors hosts;
  std::ranges::transform(tensors, std::back_inserter(hosts), [this](const Tensor& tensor) {
    return tensor ? read_back(tensor) : HostTensor{};
  });
  return hosts;
}

HostTensors LayerBench::read_parameters(TensorView (Parameter::*view)() const) {
  HostTensors hosts;
  std::ranges::transform(
      parameters_, std::back_inserter(hosts),
      [this, view](const Parameter* parameter) { return read_back((parameter->*view)()); });
  return hosts;
}

Tensors LayerBench::feed(const HostTensors& tensors, Fed& fed) {
  Tensors fresh;
  fed = {};
  for (const HostTensor& host : tensors) {
    fresh.push_back(to_device(host));
    if (sharing_) {
      add_guard();
      fed.host.push_back(host);
      fed.device.push_back(fresh.back().share());
    }
  }
  return fresh;
}

bool LayerBench::holds(const Fed& fed) { return read_all(fed.device) == fed.host; }

void LayerBench::add_guard() { guards_.push_back(to_device(nans(1024))); }

float LayerBench::draw(double scale) {
  return static_cast<float>(std::round(scale * random_.next_normal() / kGrid) * kGrid);
}

}  // namespace lockflight::nn
