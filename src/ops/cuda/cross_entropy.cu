#include <cfloat>

#include "ops/cuda/block.cuh"
#include "ops/cuda/complain.cuh"
#include "ops/cuda/cross_entropy.h"

// N rows of V logits.  Reference: tests/ops/cross_entropy_test.cpp.
// The maximum and the sum of exponentials come from one reading of the row: Milakov, Gimelshein
// 2018 (arXiv:1805.02867), algorithm 3.

namespace lockflight::ops::cuda {
namespace kernels {

// One block for each row.
//   losses [N]; dlogits [N, V], may be logits, or null; logits [N, V]; targets [N]
template <typename T>
__global__ void cross_entropy(float* losses, T* dlogits, const T* logits,
                              const std::int32_t* targets, float factor, std::int64_t V,
                              Complaint* complaint) {
  const std::int64_t row = blockIdx.x;
  const std::int32_t target = targets[row];
  if (target < 0 || target >= V) {
    if (threadIdx.x == 0) {
      complain(complaint, ComplaintKind::target_out_of_range, row, target, V);
    }
    return;
  }
  const T* x = logits + row * V;
  float max = -FLT_MAX;  // finite, since -inf less itself is no number
  float sum = 0.0F;      // of exp(x - max)
  for_each_column(V, [&](std::int64_t j) {
    const float value = static_cast<float>(x[j]);
    if (value > max) {
      sum = fmaf(sum, expf(max - value), 1.0F);
      max = value;
    } else {
      sum += expf(value - max);
    }
  });
  const float row_max = block_max(max);
  const float row_sum = block_sum(sum * expf(max - row_max));
  const float weight = factor / row_sum;
  for_each_column(V, [&](std::int64_t j) {
    const bool hit = j == target;
    if (!hit && dlogits == nullptr) {
      return;
    }
    const float value = static_cast<float>(x[j]);
    if (hit) {
      losses[row] = logf(row_sum) + (row_max - value);
    }
    if (dlogits != nullptr) {
      const float gradient = expf(value - row_max) * weight - (hit ? factor : 0.0F);
      dlogits[row * V + j] = static_cast<T>(gradient);
    }
  });
}

}  // namespace kernels

void cross_entropy(Queue& queue, const TensorView& losses, const TensorView& logits,
                   const TensorView& targets) {
  cross_entropy_with_gradient(queue, losses, TensorView(), logits, targets, 0.0F);
}

void cross_entropy_with_gradient(Queue& queue, const TensorView& losses, const TensorView& dlogits,
                                 const TensorView& logits, const TensorView& targets,
                                 float factor) {
  const std::int64_t V = logits.shape().columns();
  for_element_type(logits.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::cross_entropy<T>>(queue, row_shape(logits.shape().rows(), V),
                                      losses.as<float>(), dlogits.as<T>(), logits.as<T>(),
                                      targets.as<std::int32_t>(), factor, V, queue.complaint());
  });
}

}  // namespace lockflight::ops::cuda
