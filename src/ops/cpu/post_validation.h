// The arithmetic of post-validation.

#pragma once

#include <cstdint>

namespace lockflight::ops::cpu {

/// sums += more; both [count]
void add_sums(double* sums, const double* more, std::int64_t count);

/// 1 if the root of the sum of `sums` [count] is at most max_norm and finite, otherwise NaN.
float eager_scale(const double* sums, std::int64_t count, double max_norm);

/// Whether an update with `used` instead of `scale` is to be undone, and with what to update then.
void amend_scale(float& undo, float& redo, float used, float scale);

}  // namespace lockflight::ops::cpu
