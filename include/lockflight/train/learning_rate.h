// Learning rates by step.  Steps are counted from 0.

#pragma once

#include <cstdint>

namespace lockflight::train {

/// A straight line up to `peak`, then half a cosine wave down to `floor`:
///
///   peak      /`-.
///            /    `.
///   floor   /       `-____
///          0  warm-up    steps
struct LearningRate {
  enum class Shape : std::uint8_t { constant, cosine };

  Shape shape = Shape::constant;  ///< what follows the warm-up
  double peak = 1e-3;
  double floor = 0;                ///< cosine only
  std::int64_t warm_up_steps = 0;  ///< step s of them has peak · (s + 1) / warm_up_steps
  std::int64_t steps = 0;  ///< cosine only: step `steps`, and every later one, has the floor

  /// Throws InvalidArgument if a rate is negative or not finite, the floor lies above the peak, or
  /// the warm-up is negative or, before a cosine, longer than `steps`.
  void check() const;

  /// The rate of a step.
  /// Source of the cosine: Loshchilov, Hutter 2017 (arXiv:1608.03983), eq. 5, without restarts.
  double at(std::int64_t step) const;
};

}  // namespace lockflight::train
