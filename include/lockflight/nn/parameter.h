// A learned tensor and its gradient.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/core/tensor_spec.h"
#include "lockflight/device/device.h"

namespace lockflight::nn {

/// Fills a parameter's initial values; `random` is keyed by the seed and the parameter's full name.
using Initializer = std::function<void(std::span<float> values, Random& random)>;

Initializer zeros();
Initializer ones();
/// Normal with mean 0.
Initializer normal(double standard_deviation);
/// Uniform in [-bound, bound).
Initializer uniform(double bound);

/// Until it is materialised, a parameter is a name, a spec and a rule for its values; then it has a
/// value and a gradient on one device.  Both are f32.
///
/// In a model that computes in bf16, one that is an operand of matrix products has a working copy
/// besides: its value, rounded.  Whatever writes the value brings the copy up to date behind it, in
/// stream order: `set` does so, and who writes with operations calls `refresh`.
class Parameter {
 public:
  /// `compute` is the type in which operations read it: f32, or bf16 for a working copy.  Throws
  /// InvalidArgument if spec is not of type f32, or compute is another type.
  Parameter(std::string name, TensorSpec spec, Initializer initializer, DType compute = DType::f32);
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  /// The name within its layer: "attention.weight"; after the model was built, the full name:
  /// "blocks.3.attention.weight".
  const std::string& name() const { return name_; }
  void prefix_name(const std::string& prefix) { name_ = prefix + "." + name_; }

  const TensorSpec& spec() const { return spec_; }
  std::int64_t elements() const { return spec_.elements(); }

  /// Whether decoupled weight decay applies: by default to matrices, not to vectors (gains and
  /// biases).
  bool decays() const { return spec_.shape.rank() >= 2; }

  /// What value and working copy take of a device's memory, and what the gradient takes.
  std::size_t value_bytes() const;
  std::size_t gradient_bytes() const;

  /// Allocates value, gradient and working copy.  The gradient is zero once the stream has passed
  /// this point; the value is what `initial_values` gives.  Waits for the device.  On a meta device
  /// nothing is computed.
  void materialize(Device& device, Stream& stream, std::uint64_t seed);
  /// Gives them back, before their device goes; the parameter may be materialised again elsewhere.
  void dematerialize();
  bool materialized() const { return static_cast<bool>(value_); }

  /// The initial values, by seed and full name alone: no partition changes them.
  std::vector<float> initial_values(std::uint64_t seed) const;
  /// From here on the initial values are those of `other`, whose shape is the same.
  void start_as(const Parameter& other);

  TensorView value() const { return value_.view(); }
  TensorView grad() const { return grad_.view(); }
  /// What matrix products read: the working copy; the value itself in f32.
  TensorView compute() const { return copy_ ? copy_.view() : value_.view(); }

  /// Sets the value.  Enqueued; does not wait: `values` must stay as they are until the stream has
  /// passed this point.  Throws InvalidArgument if there are more or fewer than elements().
  void set(Stream& stream, std::span<const float> values);
  /// Rounds the value into the working copy, if there is one.  Enqueued; does not wait.
  void refresh(Stream& stream) const;

 private:
  TensorSpec copy_spec() const { return {spec_.shape, compute_}; }
  const std::string& drawn_as() const { return drawn_as_.empty() ? name_ : drawn_as_; }

  std::string name_;
  std::string drawn_as_;  // whose initial values these are, if not its own
  TensorSpec spec_;
  Initializer initializer_;
  DType compute_;
  Tensor value_;
  Tensor grad_;
  Tensor copy_;  // of the value, in bf16; none in f32
};

}  // namespace lockflight::nn
