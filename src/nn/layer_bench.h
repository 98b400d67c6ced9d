// A layer on a test bench: fed from host memory with random numbers, one function at a time.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// Elements as bits, so that f32 and i32 are handled alike and compared without rounding.
struct HostTensor {
  TensorSpec spec;
  std::vector<std::uint32_t> words;

  float at(std::size_t i) const { return std::bit_cast<float>(words[i]); }
  void set(std::size_t i, float value) { words[i] = std::bit_cast<std::uint32_t>(value); }
  friend bool operator==(const HostTensor&, const HostTensor&) = default;
};

using HostTensors = std::vector<HostTensor>;

class LayerBench {
 public:
  /// Random f32 values are multiples of this, so that steps by powers of two are exact.
  static constexpr double kGrid = 0x1p-10;

  /// Materialises the layer's parameters with random values, guards around them.
  LayerBench(Device& device, Layer& layer, std::uint64_t seed);
  LayerBench(const LayerBench&) = delete;
  LayerBench& operator=(const LayerBench&) = delete;
  /// Gives the parameters' memory back.
  ~LayerBench();

  Random& random() { return random_; }
  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const HostTensors& values() const { return values_; }

  /// Normal for f32, 0 … integers_below - 1 for i32.
  HostTensor random_tensor(const TensorSpec& spec, std::int64_t integers_below);

  HostTensors forward(const HostTensors& inputs, std::uint32_t micro_batch, Saved& saved);
  /// An input without gradient gives a tensor without words.
  HostTensors backward_input(const HostTensors& output_gradients, std::uint32_t micro_batch,
                             Saved& saved);
  void backward_weight(std::uint32_t micro_batch, Saved& saved);

  void set_value(std::size_t parameter, const HostTensor& value);
  void clear_gradients();
  HostTensors gradients() { return read_parameters(&Parameter::grad); }
  HostTensors current_values() { return read_parameters(&Parameter::value); }

  /// Fills free memory with NaNs: whoever reads before writing gives itself away.
  void poison();
  /// Whether the memory around parameters and whatever was fed is as it was.
  bool guards_hold();
  /// Whether what was last fed to forward and backward_input, and kept, is as it was.
  bool inputs_hold();
  bool output_gradients_hold();
  /// From here on the bench stays an owner of what it feeds, as a caller may.
  void share_what_is_fed() { sharing_ = true; }

 private:
  struct Fed {
    HostTensors host;
    Tensors device;
  };

  Context context(std::uint32_t micro_batch) const;
  Tensor to_device(const HostTensor& host);
  HostTensor read_back(const TensorView& view);
  HostTensors read_all(const Tensors& tensors);
  HostTensors read_parameters(TensorView (Parameter::*view)() const);
  Tensors feed(const HostTensors& tensors, Fed& fed);
  bool holds(const Fed& fed);
  void add_guard();
  float draw(double scale);

  Device& device_;
  Layer& layer_;
  const std::uint64_t seed_;
  std::unique_ptr<Stream> stream_;
  std::vector<Parameter*> parameters_;
  Random random_;
  HostTensors values_;
  Tensors guards_;
  bool sharing_ = false;
  Fed inputs_;
  Fed output_gradients_;
};

}  // namespace lockflight::nn
