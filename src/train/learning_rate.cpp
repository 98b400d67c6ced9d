#include "lockflight/train/learning_rate.h"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::train {

void LearningRate::check() const {
  if (!std::isfinite(peak) || peak < 0) {
    throw InvalidArgument(
        fmt::format("learning rate: {} is not possible; it is finite and not negative", peak));
  }
  if (warm_up_steps < 0) {
    throw InvalidArgument(fmt::format(
        "learning rate: a warm-up of {} steps; at least 0 are possible", warm_up_steps));
  }
  if (shape == Shape::constant) {
    return;
  }
  if (!std::isfinite(floor) || floor < 0 || floor > peak) {
    throw InvalidArgument(
        fmt::format("learning rate: the floor {} must lie between 0 and the peak {}", floor, peak));
  }
  if (warm_up_steps > steps) {
    throw InvalidArgument(
        fmt::format("learning rate: a warm-up of {} steps in {} steps; warm up for fewer",
                    warm_up_steps, steps));
  }
}

double LearningRate::at(std::int64_t step) const {
  if (step < warm_up_steps) {
    return peak * static_cast<double>(step + 1) / static_cast<double>(warm_up_steps);
  }
  if (shape == Shape::constant) {
    return peak;
  }
  if (step >= steps) {
    return floor;
  }
  const double done =
      static_cast<double>(step - warm_up_steps) / static_cast<double>(steps - warm_up_steps);
  return floor + (peak - floor) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace lockflight::train
