#include "lockflight/nn/parameter.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

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

Parameter::Parameter(std::string name, TensorSpec spec, Initializer initializer)
    : name_(std::move(name)), spec_(spec), initializer_(std::move(initializer)) {
  if (spec_.dtype != DType::f32) {
    throw InvalidArgument(
        fmt::format("parameter '{}' has type {}; parameters are kept in f32, so make it {}", name_,
                    to_string(spec_), to_string(TensorSpec{spec_.shape, DType::f32})));
  }
}

void Parameter::start_as(const Parameter& other) {
  drawn_as_ = other.drawn_as();
  initializer_ = other.initializer_;
}

void Parameter::materialize(Device& device, Stream& stream, std::uint64_t seed) {
  value_ = device.empty(spec_);
  grad_ = device.empty(spec_);
  if (device.kind() == DeviceKind::meta) {
    return;
  }
  const std::vector<float> values = initial_values(seed);
  const std::vector<float> no_gradient(values.size());
  stream.upload(value_, values.data());
  stream.upload(grad_, no_gradient.data());
  device.synchronize();
}

void Parameter::dematerialize() {
  value_ = {};
  grad_ = {};
}

std::vector<float> Parameter::initial_values(std::uint64_t seed) const {
  std::vector<float> values(static_cast<std::size_t>(elements()));
  Random random({.seed = seed ^ hash_name(drawn_as())});
  initializer_(values, random);
  return values;
}

}  // namespace lockflight::nn
