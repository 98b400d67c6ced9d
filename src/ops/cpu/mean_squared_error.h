// The mean squared error and its gradient.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// The mean of (prediction[i] - target[i])^2, added up in f64; and dprediction[i] = 2 factor
/// (prediction[i] - target[i]) / count, unless dprediction is null.  dprediction may be prediction.
float mean_squared_error(Team& team, Values dprediction, ConstValues prediction, ConstValues target,
                         float factor, std::int64_t count);

}  // namespace lockflight::ops::cpu
