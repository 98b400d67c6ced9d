// A layer run on a CPU device from host values.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/random.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/nn/gradient_check.h"
#include "lockflight/nn/layer.h"

namespace lockflight::nn {

class OnCpu : public testing::Test {
 protected:
  template <class T>
  Tensor tensor(const TensorSpec& spec, const std::vector<T>& values) {
    EXPECT_EQ(spec.elements(), static_cast<std::int64_t>(values.size()));
    Tensor result = device_->empty(spec);
    write(result, values);
    return result;
  }

  template <class T>
  void write(const TensorView& view, const std::vector<T>& values) {
    stream_->upload(view, values.data());
    device_->synchronize();
  }

  template <class T = float>
  std::vector<T> read(const TensorView& view) {
    std::vector<T> values(static_cast<std::size_t>(view.elements()));
    stream_->download(values.data(), view);
    device_->synchronize();
    return values;
  }

  void materialize(Layer& layer, std::uint64_t seed = 1) {
    for (Parameter* parameter : layer.parameters()) {
      parameter->materialize(*device_, *stream_, seed);
    }
  }

  /// Standard normal.
  static std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
    std::vector<float> values(static_cast<std::size_t>(count));
    Random random({.seed = seed});
    for (float& value : values) {
      value = static_cast<float>(random.next_normal());
    }
    return values;
  }

  std::vector<std::string> findings(Layer& layer, const TensorSpec& input,
                                    const GradientCheckOptions& options = {}) {
    return gradient_check(*device_, layer, {input}, options).findings;
  }

  const std::unique_ptr<Device> device_ = make_cpu_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  Context context_{*stream_};
  Saved saved_;
};

/// Every element within `tolerance` of the expected one.
inline auto near(const std::vector<double>& expected, double tolerance) {
  std::vector<testing::Matcher<float>> matchers;
  for (const double value : expected) {
    matchers.push_back(
        testing::FloatNear(static_cast<float>(value), static_cast<float>(tolerance)));
  }
  return testing::ElementsAreArray(matchers);
}

}  // namespace lockflight::nn
