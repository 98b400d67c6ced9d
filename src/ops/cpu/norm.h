// Sums of squares in f64: for the gradient norm and for the squared error.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// The sum of x[i]^2, in f64, in an order that depends on count alone.
double sum_of_squares(Team& team, const float* x, std::int64_t count);

/// The mean of (prediction[i] - target[i])^2; and dprediction[i] = factor 2 (prediction[i] -
/// target[i]) / count, unless dprediction is null.  dprediction may be prediction.
double mean_squared_error(Team& team, float* dprediction, const float* prediction,
                          const float* target, float factor, std::int64_t count);

}  // namespace lockflight::ops::cpu
