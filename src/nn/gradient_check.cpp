#include "lockflight/nn/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "nn/layer_bench.h"

namespace lockflight::nn {
namespace {

constexpr double kStep = 0x1p-5;

// An element's index and how far it moves: one for a single element, all for a direction.
struct Move {
  std::size_t element;
  double by;
};
using Direction = std::vector<Move>;

class Checker {
 public:
  Checker(Device& device, Layer& layer, const std::vector<TensorSpec>& inputs,
          const GradientCheckOptions& options)
      : bench_(device, layer, options.seed), options_(options) {
    for (HostTensors& micro_batch : inputs_) {
      for (const TensorSpec& spec : inputs) {
        micro_batch.push_back(bench_.random_tensor(spec, options.integers_below));
      }
    }
    Saved saved;
    for (const HostTensor& output : bench_.forward(inputs_[0], 0, saved)) {
      projection_.push_back(bench_.random_tensor(output.spec, options.integers_below));
    }
  }

  GradientCheckResult check() {
    check_interleaving();
    run_watched();
    if (shapes_fit()) {
      check_accumulation();
      compare_all();
    }
    return std::move(result_);
  }

 private:
  template <class... Values>
  void find(fmt::format_string<Values...> sentence, Values&&... values) {
    result_.findings.push_back(fmt::format(sentence, std::forward<Values>(values)...));
  }

  // One micro-batch; after each function a look at what it may not touch.
  void run_watched() {
    bench_.share_what_is_fed();
    bench_.poison();
    bench_.clear_gradients();
    const HostTensors no_gradients = bench_.gradients();
    Saved saved;
    bench_.forward(inputs_[0], 0, saved);
    watch("forward", &no_gradients);
    input_gradients_ = bench_.backward_input(projection_, 0, saved);
    watch("backward_input", &no_gradients);
    bench_.backward_weight(0, saved);
    watch("backward_weight", nullptr);
    parameter_gradients_ = bench_.gradients();
  }

  void watch(std::string_view function, const HostTensors* gradients) {
    if (!bench_.inputs_hold()) {
      find("{} writes into an input of the layer, which may have other owners", function);
    }
    if (!bench_.output_gradients_hold()) {
      find("{} writes into the gradient of an output, which may have other owners", function);
    }
    if (bench_.current_values() != bench_.values()) {
      find("{} changes the value of a parameter", function);
    }
    if (gradients != nullptr && bench_.gradients() != *gradients) {
      find("{} writes into the gradient of a parameter; only backward_weight may", function);
    }
    if (!bench_.guards_hold()) {
      find("{} writes beside a tensor that it was given", function);
    }
  }

  bool shapes_fit() {
    const HostTensors& inputs = inputs_[0];
    if (input_gradients_.size() != inputs.size()) {
      find("backward_input returns {} gradients for {} inputs", input_gradients_.size(),
           inputs.size());
      return false;
    }
    bool fit = true;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const HostTensor& gradient = input_gradients_[i];
      const bool learns = inputs[i].spec.dtype == DType::f32;
      if (!learns && !gradient.words.empty()) {
        find("backward_input returns a gradient for input {}, which is {}; return an empty tensor",
             i, to_string(inputs[i].spec));
        fit = false;
      } else if (learns && (gradient.words.empty() || gradient.spec != inputs[i].spec)) {
        find("the gradient of input {} is {}, not {} as the input", i,
             gradient.words.empty() ? "empty" : to_string(gradient.spec),
             to_string(inputs[i].spec));
        fit = false;
      }
    }
    return fit;
  }

  // A second run on top of the first.
  void check_accumulation() {
    Saved saved;
    bench_.forward(inputs_[0], 0, saved);
    bench_.backward_input(projection_, 0, saved);
    bench_.backward_weight(0, saved);
    const HostTensors twice = bench_.gradients();
    for (std::size_t p = 0; p < twice.size(); ++p) {
      const HostTensor& once = parameter_gradients_[p];
      double worst = 0;
      double largest = 0;
      for (std::size_t i = 0; i < once.words.size(); ++i) {
        worst = std::max<double>(worst, std::abs(twice[p].at(i) - 2 * once.at(i)));
        largest = std::max<double>(largest, std::abs(once.at(i)));
      }
      if (worst > 1e-4 * largest) {
        find(
            "a second run does not add the same again to the gradient of '{}': off by {:.2g} where "
            "the largest is {:.2g}",
            bench_.parameters()[p]->name(), worst, largest);
      }
    }
  }

  struct Outcome {
    HostTensors of_inputs[2];
    HostTensors of_parameters;
    friend bool operator==(const Outcome&, const Outcome&) = default;
  };

  // F, I and W of micro-batches 0 and 1 in a given order: "F0I0W0F1I1W1".
  Outcome run_order(std::string_view order) {
    bench_.clear_gradients();
    Saved saved[2];
    Outcome outcome;
    for (std::size_t i = 0; i < order.size(); i += 2) {
      const std::size_t micro_batch = order[i + 1] == '0' ? 0 : 1;
      const auto number = static_cast<std::uint32_t>(micro_batch);
      if (order[i] == 'F') {
        bench_.forward(inputs_[micro_batch], number, saved[micro_batch]);
      } else if (order[i] == 'I') {
        outcome.of_inputs[micro_batch] =
            bench_.backward_input(projection_, number, saved[micro_batch]);
      } else {
        bench_.backward_weight(number, saved[micro_batch]);
      }
    }
    outcome.of_parameters = bench_.gradients();
    return outcome;
  }

  void check_interleaving() {
    const Outcome expected = run_order("F0I0W0F1I1W1");
    for (const std::string_view order : {"F0F1I0I1W0W1", "F1F0I1I0W0W1", "F0I0F1W0I1W1"}) {
      if (run_order(order) != expected) {
        find("gradients in the order {} differ from those in the order F0I0W0F1I1W1", order);
        return;
      }
    }
  }

  // L for the values in `inputs` and the current values of the parameters.
  double projected(const HostTensors& inputs) {
    Saved saved;
    const HostTensors outputs = bench_.forward(inputs, 0, saved);
    double sum = 0;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      for (std::size_t i = 0; i < outputs[k].words.size(); ++i) {
        sum += static_cast<double>(projection_[k].at(i)) * outputs[k].at(i);
      }
    }
    return sum;
  }

  std::vector<Direction> directions(std::size_t elements) {
    std::vector<std::size_t> order(elements);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t probes =
        std::min(elements, static_cast<std::size_t>(std::max<std::int64_t>(0, options_.probes)));
    std::vector<Direction> all;
    for (std::size_t i = 0; i < probes; ++i) {
      std::swap(order[i], order[i + bench_.random().next_below(elements - i)]);
      all.push_back({{order[i], kStep}});
    }
    // As long as a single step, give or take the rounding to a power of two.
    const double step =
        kStep * std::exp2(-std::round(std::log2(static_cast<double>(elements)) / 2));
    Direction whole;
    for (std::size_t i = 0; i < elements; ++i) {
      whole.push_back({i, bench_.random().next_u32() % 2 == 0 ? step : -step});
    }
    all.push_back(std::move(whole));
    return all;
  }

  // `loss` gives L for a changed tensor.
  template <class Loss>
  void compare(std::string name, const HostTensor& value, const HostTensor& gradient,
               const Loss& loss) {
    double worst = 0;
    double largest = 1e-2;  // smaller derivatives drown in the rounding of L
    for (const Direction& direction : directions(value.words.size())) {
      const auto moved = [&](double factor) {
        HostTensor changed = value;
        for (const auto [element, by] : direction) {
          changed.set(element,
                      static_cast<float>(static_cast<double>(value.at(element)) + factor * by));
        }
        return loss(changed);
      };
      double given = 0;
      double length = 0;
      for (const auto [element, by] : direction) {
        given += by * static_cast<double>(gradient.at(element));
        length += by * by;
      }
      length = std::sqrt(length);
      given /= length;
      const double expected = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * length);
      largest = std::max({largest, std::abs(given), std::abs(expected)});
      worst = std::isnan(given - expected) ? given - expected
                                           : std::max(worst, std::abs(given - expected));
    }
    const double error = worst / largest;
    if (!(error <= options_.tolerance)) {
      find(
          "the gradient of {} differs from central differences by {:.2g} of its largest element; "
          "allowed are {:.2g}",
          name, error, options_.tolerance);
    }
    result_.errors.push_back({std::move(name), error});
  }

  void compare_all() {
    for (std::size_t i = 0; i < inputs_[0].size(); ++i) {
      if (inputs_[0][i].spec.dtype != DType::f32) {
        continue;
      }
      compare(fmt::format("input {}", i), inputs_[0][i], input_gradients_[i],
              [this, i](const HostTensor& changed) {
                HostTensors inputs = inputs_[0];
                inputs[i] = changed;
                return projected(inputs);
              });
    }
    for (std::size_t p = 0; p < parameter_gradients_.size(); ++p) {
      const HostTensor& value = bench_.values()[p];
      compare(bench_.parameters()[p]->name(), value, parameter_gradients_[p],
              [this, p](const HostTensor& changed) {
                bench_.set_value(p, changed);
                return projected(inputs_[0]);
              });
      bench_.set_value(p, value);
    }
  }

  LayerBench bench_;
  const GradientCheckOptions options_;
  HostTensors inputs_[2];  // of two micro-batches
  HostTensors projection_;
  HostTensors input_gradients_;
  HostTensors parameter_gradients_;
  GradientCheckResult result_;
};

}  // namespace

GradientCheckResult gradient_check(Device& device, Layer& layer,
                                   const std::vector<TensorSpec>& inputs,
                                   const GradientCheckOptions& options) {
  if (device.kind() != DeviceKind::cpu) {
    throw InvalidArgument(fmt::format(
        "gradient_check: runs on a cpu device, and this is a {} device", name_of(device.kind())));
  }
  for (const TensorSpec& input : inputs) {
    if (input.dtype != DType::f32 && input.dtype != DType::i32) {
      throw InvalidArgument(fmt::format(
          "gradient_check: an input is to be {}; differences can be taken in f32 alone, "
          "so check the layer in f32",
          to_string(input)));
    }
  }
  return Checker(device, layer, inputs, options).check();
}

}  // namespace lockflight::nn
