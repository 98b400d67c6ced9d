#include "lockflight/nn/parameter.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/device/memory_use.h"
#include "lockflight/ops/elementwise.h"

namespace lockflight::nn {

Initializer zeros() {
  return [](std::span<float> values, Random& /*random*/) { std::ranges::fill(values, 0.0F); };
}

Initializer ones() {
  return [](std::span<float> values, Random& /*random*/) { std::ranges::fill(values, 1.0F); };
}

Initializer normal(double standard_deviation) {
  return [standard_deviation](std::span<float> values, Random& random) {
    for (float& value : values) {
      value = static_cast<float>(standard_deviation * random.next_normal());
    }
  };
}

Initializer uniform(double bound) {
  return [bound](std::span<float> values, Random& random) {
    for (float& value : values) {
      value = static_cast<float>(bound * (2.0 * random.next_uniform() - 1.0));
    }
  };
}

Parameter::Parameter(std::string name, TensorSpec spec, Initializer initializer, DType compute)
    : name_(std::move(name)), spec_(spec), initializer_(std::move(initializer)), compute_(compute) {
  if (spec_.dtype != DType::f32) {
    throw InvalidArgument(
        fmt::format("parameter '{}' has type {}; parameters are kept in f32, so make it {}", name_,
                    to_string(spec_), to_string(TensorSpec{spec_.shape, DType::f32})));
  }
  if (compute_ != DType::f32 && compute_ != DType::bf16) {
    throw InvalidArgument(
        fmt::format("parameter '{}' is to be read in {}; operations read parameters in f32 or bf16",
                    name_, name_of(compute_)));
  }
}

std::size_t Parameter::value_bytes() const {
  return aligned_bytes(spec_.bytes()) +
         (compute_ == DType::f32 ? 0 : aligned_bytes(copy_spec().bytes()));
}

std::size_t Parameter::gradient_bytes() const { return aligned_bytes(spec_.bytes()); }

void Parameter::start_as(const Parameter& other) {
  drawn_as_ = other.drawn_as();
  initializer_ = other.initializer_;
}

void Parameter::materialize(Device& device, Stream& stream, std::uint64_t seed) {
  value_ = device.empty(spec_);
  grad_ = device.empty(spec_);
  copy_ = compute_ == DType::f32 ? Tensor() : device.empty(copy_spec());
  if (device.kind() == DeviceKind::meta) {
    return;
  }
  const std::vector<float> values = initial_values(seed);
  const std::vector<float> no_gradient(values.size());
  set(stream, values);
  stream.upload(grad_, no_gradient.data());
  device.synchronize();
}

void Parameter::dematerialize() {
  value_ = {};
  grad_ = {};
  copy_ = {};
}

void Parameter::set(Stream& stream, std::span<const float> values) {
  if (std::ssize(values) != elements()) {
    throw InvalidArgument(fmt::format("parameter '{}': {} values given, it has {}", name_,
                                      values.size(), elements()));
  }
  stream.upload(value_, values.data());
  refresh(stream);
}

void Parameter::refresh(Stream& stream) const {
  if (copy_) {
    ops::cast(stream, copy_, value_);
  }
}

std::vector<float> Parameter::initial_values(std::uint64_t seed) const {
  std::vector<float> values(static_cast<std::size_t>(elements()));
  Random random({.seed = seed ^ hash_name(drawn_as())});
  initializer_(values, random);
  return values;
}

}  // namespace lockflight::nn
