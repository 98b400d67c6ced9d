#include "ops/cuda/mean_squared_error.h"
#include "ops/cuda/pieces.cuh"
#include "ops/cuda/reduce.h"

// Reference: tests/ops/mean_squared_error_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

//   partials [pieces]; dprediction [count], may be prediction, or null; prediction, target [count]
template <typename T>
__global__ void squared_errors(double* partials, T* dprediction, const T* prediction,
                               const T* target, float slope, std::int64_t count,
                               std::int64_t elements_per_piece) {
  sum_piece(partials, count, elements_per_piece, [&](std::int64_t i) {
    const float difference = static_cast<float>(prediction[i]) - static_cast<float>(target[i]);
    if (dprediction != nullptr) {
      dprediction[i] = static_cast<T>(slope * difference);
    }
    return static_cast<double>(difference) * static_cast<double>(difference);
  });
}

}  // namespace kernels

void mean_squared_error(Queue& queue, const TensorView& loss, const TensorView& dprediction,
                        const TensorView& prediction, const TensorView& target, float scale) {
  const std::int64_t count = prediction.elements();
  const float slope = scale * 2.0F / static_cast<float>(count);
  const PieceCut cut(count);
  double* partials = cut.partials_in(queue);
  for_element_type(prediction.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::squared_errors<T>>(queue, cut.shape(), partials, dprediction.as<T>(),
                                       prediction.as<T>(), target.as<T>(), slope, count,
                                       cut.elements_per_piece);
  });
  finish_mean(queue, loss.as<float>(), partials, cut.pieces, static_cast<double>(count));
}

}  // namespace lockflight::ops::cuda
