#include "ops/cuda/block.cuh"
#include "ops/cuda/columns.cuh"
#include "ops/cuda/reduce.h"
#include "ops/cuda/rms_norm.h"

// N rows of C columns.  Reference: tests/ops/rms_norm_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// One block for each row.
//   y, x [N, C]; rstd [N]; gain [C]; y may be x
template <typename T>
__global__ void rms_norm(T* y, float* rstd, const T* x, const float* gain, std::int64_t C,
                         float epsilon) {
  const std::int64_t row = blockIdx.x;
  const T* x_row = x + row * C;
  T* y_row = y + row * C;
  float squares = 0.0F;
  for_each_column(C, [&](std::int64_t j) {
    const float value = static_cast<float>(x_row[j]);
    squares = fmaf(value, value, squares);
  });
  const float scale = rsqrtf(block_sum(squares) / static_cast<float>(C) + epsilon);
  if (threadIdx.x == 0) {
    rstd[row] = scale;
  }
  for_each_column(C, [&](std::int64_t j) {
    y_row[j] = static_cast<T>(static_cast<float>(x_row[j]) * scale * gain[j]);
  });
}

// One block for each row.  With g = dy * gain and n = x * rstd: dx = rstd * (g - n * mean(g * n)).
//   dx, dy, x [N, C]; rstd [N]; gain [C]; dx may be dy
template <typename T>
__global__ void rms_norm_backward_input(T* dx, const T* dy, const T* x, const float* rstd,
                                        const float* gain, std::int64_t C) {
  const std::int64_t row = blockIdx.x;
  const T* x_row = x + row * C;
  const T* dy_row = dy + row * C;
  T* dx_row = dx + row * C;
  const float scale = rstd[row];
  float sum = 0.0F;
  for_each_column(C, [&](std::int64_t j) {
    const float g = static_cast<float>(dy_row[j]) * gain[j];
    sum = fmaf(g, static_cast<float>(x_row[j]) * scale, sum);
  });
  const float mean = block_sum(sum) / static_cast<float>(C);
  for_each_column(C, [&](std::int64_t j) {
    const float g = static_cast<float>(dy_row[j]) * gain[j];
    const float normal = static_cast<float>(x_row[j]) * scale;
    dx_row[j] = static_cast<T>(scale * fmaf(-normal, mean, g));
  });
}

//   partials [blocks, C]; dy, x [N, C]; rstd [N]
template <typename T>
__global__ void rms_norm_backward_weight(float* partials, const T* dy, const T* x,
                                         const float* rstd, std::int64_t N, std::int64_t C,
                                         std::int64_t rows_per_block) {
  sum_rows<1>(partials, N, C, rows_per_block, [&](std::int64_t i, std::int64_t j, float* sums) {
    const float normal = static_cast<float>(x[i * C + j]) * rstd[i];
    sums[0] = fmaf(static_cast<float>(dy[i * C + j]), normal, sums[0]);
  });
}

}  // namespace kernels

void rms_norm(Queue& queue, const TensorView& y, const TensorView& rstd, const TensorView& x,
              const TensorView& gain, float epsilon) {
  const std::int64_t C = x.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::rms_norm<T>>(queue, row_shape(x.shape().rows(), C), y.as<T>(), rstd.as<float>(),
                                 x.as<T>(), gain.as<float>(), C, epsilon);
  });
}

void rms_norm_backward_input(Queue& queue, const TensorView& dx, const TensorView& dy,
                             const TensorView& x, const TensorView& rstd, const TensorView& gain) {
  const std::int64_t C = x.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::rms_norm_backward_input<T>>(queue, row_shape(x.shape().rows(), C), dx.as<T>(),
                                                dy.as<T>(), x.as<T>(), rstd.as<float>(),
                                                gain.as<float>(), C);
  });
}

void rms_norm_backward_weight(Queue& queue, const TensorView& dgain, const TensorView& dy,
                              const TensorView& x, const TensorView& rstd) {
  const std::int64_t N = x.shape().rows();
  const std::int64_t C = x.shape().columns();
  const RowCut cut(N, C, 1);
  float* partials = cut.partials_in(queue, 1);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::rms_norm_backward_weight<T>>(queue, cut.shape(), partials, dy.as<T>(),
                                                 x.as<T>(), rstd.as<float>(), N, C,
                                                 cut.rows_per_block);
  });
  add_partials(queue, dgain.as<float>(), partials, cut.blocks, C);
}

}  // namespace lockflight::ops::cuda
