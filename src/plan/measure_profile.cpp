#include "lockflight/plan/measure_profile.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/error.h"
#include "lockflight/core/host_tensor.h"
#include "lockflight/core/random.h"
#include "plan/materialized.h"
#include "plan/stage.h"

namespace lockflight::plan {
namespace {

using HostTensors = std::vector<HostTensor>;

// Marks of one run: F, I and W begin and end here.
using Marks = std::array<std::int64_t, 6>;

// Streams read and write host memory until the device has run everything, also on the way out of a
// failure.
class Drained {
 public:
  explicit Drained(Device& device) : device_(device) {}
  ~Drained() {
    try {
      device_.synchronize();
    } catch (...) {  // whoever is interested has synchronised
    }
  }
  Drained(const Drained&) = delete;
  Drained& operator=(const Drained&) = delete;

 private:
  Device& device_;
};

class Measurement {
 public:
  Measurement(nn::Model& model, Device& device, std::int64_t rows, const MeasureOptions& options)
      : model_(model),
        device_(device),
        options_(options),
        stream_(device.make_stream(StreamRole::compute)),
        random_({.seed = options.seed}) {
    inputs_.push_back(drawn(model.rows().inputs, rows));
    targets_ = drawn(model.rows().targets, rows);
  }

  std::vector<LayerSeconds> run() {
    const std::size_t layers = model_.layers().size();
    for (std::size_t i = 0; i + 1 < layers; ++i) {
      inputs_.push_back(outputs_of(i));
    }
    std::vector<LayerSeconds> seconds(layers);
    HostTensors gradients;
    for (std::size_t i = layers; i-- > 0;) {
      gradients = measure(i, gradients, seconds[i]);
    }
    return seconds;
  }

 private:
  HostTensors drawn(const std::vector<TensorSpec>& row_specs, std::int64_t rows) {
    HostTensors tensors;
    for (const TensorSpec& row : row_specs) {
      HostTensor& tensor = tensors.emplace_back(with_rows(row, rows));
      if (row.dtype == DType::i32) {
        for (std::int32_t& value : tensor.as<std::int32_t>()) {
          const auto bound = static_cast<std::uint64_t>(options_.integers_below);
          value = static_cast<std::int32_t>(random_.next_below(bound));
        }
      } else if (row.dtype == DType::f32) {
        for (float& value : tensor.as<float>()) {
          value = static_cast<float>(random_.next_normal());
        }
      } else if (row.dtype == DType::bf16) {
        for (BFloat16& value : tensor.as<BFloat16>()) {
          value = BFloat16(static_cast<float>(random_.next_normal()));
        }
      }
    }
    return tensors;
  }

  nn::Context context() const {
    nn::Context context(*stream_);
    context.seed = options_.seed;
    return context;
  }

  Stage stage_of(std::size_t layer) {
    Stage stage(std::span(model_.layers()).subspan(layer, 1), static_cast<int>(layer));
    stage.begin_step(1);
    return stage;
  }

  std::vector<nn::Parameter*> parameters_of(std::size_t layer) {
    return model_.layers()[layer].layer->parameters();
  }

  Tensors upload(const HostTensors& hosts) {
    Tensors tensors;
    for (const HostTensor& host : hosts) {
      tensors.push_back(device_.empty(host.spec()));
      stream_->upload(tensors.back(), host.data());
    }
    return tensors;
  }

  // Where a layer's input has no gradient there is nothing behind it.
  HostTensors download(const Tensors& tensors) {
    HostTensors hosts;
    const Drained drained(device_);
    hosts.reserve(tensors.size());
    for (const Tensor& tensor : tensors) {
      if (tensor) {
        hosts.emplace_back(tensor.spec());
        stream_->download(hosts.back().data(), tensor);
      }
    }
    device_.synchronize();
    return hosts;
  }

  HostTensors outputs_of(std::size_t layer) {
    const Materialized materialized(parameters_of(layer), device_, *stream_);
    const Drained drained(device_);
    nn::Context here = context();
    return download(stage_of(layer).forward(here, upload(inputs_[layer]), nullptr, false));
  }

  // Returns the gradients of the layer's inputs.
  HostTensors measure(std::size_t layer, const HostTensors& gradients, LayerSeconds& seconds) {
    const Materialized materialized(parameters_of(layer), device_, *stream_);
    std::vector<Marks> marks(static_cast<std::size_t>(options_.warm_up + options_.repetitions));
    const Drained drained(device_);
    Tensors input_gradients;
    for (Marks& run : marks) {
      input_gradients.clear();
      input_gradients = enqueue(layer, gradients, run);
    }
    HostTensors results = download(input_gradients);
    const std::span<const Marks> counted = std::span(marks).subspan(options_.warm_up);
    seconds = {.forward = median(counted, 0),
               .input_gradient = median(counted, 2),
               .weight_gradient = median(counted, 4)};
    return results;
  }

  Tensors enqueue(std::size_t layer, const HostTensors& gradients, Marks& marks) {
    const bool last = layer + 1 == model_.layers().size();
    nn::Loss* loss = last ? &model_.loss() : nullptr;
    nn::Context here = context();
    Stage stage = stage_of(layer);
    const Tensor loss_value = device_.empty({});
    Tensors targets = last ? upload(targets_) : Tensors();
    const std::vector<TensorView> target_views(targets.begin(), targets.end());
    const LossInputs loss_inputs{
        .loss = loss, .targets = target_views, .scale = 1.0F, .value = loss_value};

    Tensors tensors = upload(inputs_[layer]);
    stream_->time(&marks[0]);
    tensors = stage.forward(here, std::move(tensors), last ? &loss_inputs : nullptr, true);
    stream_->time(&marks[1]);
    targets.clear();
    tensors = last ? Tensors() : upload(gradients);
    stream_->time(&marks[2]);
    tensors = stage.backward_input(here, std::move(tensors), loss);
    stream_->time(&marks[3]);
    stream_->time(&marks[4]);
    stage.backward_weight(here);
    stream_->time(&marks[5]);
    return tensors;
  }

  static double median(std::span<const Marks> runs, std::size_t begin) {
    std::vector<double> seconds;
    for (const Marks& marks : runs) {
      seconds.push_back(static_cast<double>(marks[begin + 1] - marks[begin]) * 1e-9);
    }
    const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::ranges::nth_element(seconds, middle);
    return *middle;
  }

  nn::Model& model_;
  Device& device_;
  const MeasureOptions options_;
  const std::unique_ptr<Stream> stream_;
  Random random_;
  std::vector<HostTensors> inputs_;  // of each layer
  HostTensors targets_;
};

void check(const Device& device, const MeasureOptions& options) {
  if (device.kind() == DeviceKind::meta) {
    throw InvalidArgument(
        "measure_profile: a meta device runs nothing, so nothing can be measured; take a real one, "
        "or estimate_profile");
  }
  if (options.warm_up < 0 || options.repetitions < 1 || options.integers_below < 1) {
    throw InvalidArgument(fmt::format(
        "measure_profile: {} runs to warm up, {} that count and integers below {}; the first must "
        "be at least 0, the others at least 1",
        options.warm_up, options.repetitions, options.integers_below));
  }
}

}  // namespace

Profile measure_profile(nn::Model& model, Device& device, std::int64_t rows,
                        const MeasureOptions& options) {
  check(device, options);
  Profile profile{
      .device = std::string(name_of(device.kind())), .measured = true, .rows = rows, .layers = {}};
  for (const LayerProfile& layer : dry_run(model, rows)) {
    profile.layers.push_back(cost_of(layer));
  }
  const std::vector<LayerSeconds> seconds = Measurement(model, device, rows, options).run();
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    profile.layers[i].seconds = seconds[i];
  }
  return profile;
}

}  // namespace lockflight::plan
