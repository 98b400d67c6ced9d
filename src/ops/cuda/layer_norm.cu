#include "ops/cuda/block.cuh"
#include "ops/cuda/columns.cuh"
#include "ops/cuda/layer_norm.h"
#include "ops/cuda/reduce.h"

// N rows of C columns.  Reference: tests/ops/layer_norm_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// One block for each row.
//   y, x [N, C]; mean, rstd [N]; gain, bias [C]; y may be x
template <typename T>
__global__ void layer_norm(T* y, float* mean, float* rstd, const T* x, const float* gain,
                           const float* bias, std::int64_t C, float epsilon) {
  const std::int64_t row = blockIdx.x;
  const T* x_row = x + row * C;
  T* y_row = y + row * C;
  float sum = 0.0F;
  for_each_column(C, [&](std::int64_t j) { sum += static_cast<float>(x_row[j]); });
  const float mu = block_sum(sum) / static_cast<float>(C);
  float squares = 0.0F;
  for_each_column(C, [&](std::int64_t j) {
    const float centred = static_cast<float>(x_row[j]) - mu;
    squares = fmaf(centred, centred, squares);
  });
  const float scale = rsqrtf(block_sum(squares) / static_cast<float>(C) + epsilon);
  if (threadIdx.x == 0) {
    mean[row] = mu;
    rstd[row] = scale;
  }
  for_each_column(C, [&](std::int64_t j) {
    const float normal = (static_cast<float>(x_row[j]) - mu) * scale;
    y_row[j] = static_cast<T>(fmaf(normal, gain[j], bias[j]));
  });
}

// One block for each row.  With g = dy * gain and n the normalised x: dx = rstd * (g - mean(g) - n
// * mean(g * n)).
//   dx, dy, x [N, C]; mean, rstd [N]; gain [C]; dx may be dy
template <typename T>
__global__ void layer_norm_backward_input(T* dx, const T* dy, const T* x, const float* mean,
                                          const float* rstd, const float* gain, std::int64_t C) {
  const std::int64_t row = blockIdx.x;
  const T* x_row = x + row * C;
  const T* dy_row = dy + row * C;
  T* dx_row = dx + row * C;
  const float mu = mean[row];
  const float scale = rstd[row];
  float sum = 0.0F;
  float sum_with_normal = 0.0F;
  for_each_column(C, [&](std::int64_t j) {
    const float g = static_cast<float>(dy_row[j]) * gain[j];
    const float normal = (static_cast<float>(x_row[j]) - mu) * scale;
    sum += g;
    sum_with_normal = fmaf(g, normal, sum_with_normal);
  });
  const float mean_g = block_sum(sum) / static_cast<float>(C);
  const float mean_g_normal = block_sum(sum_with_normal) / static_cast<float>(C);
  for_each_column(C, [&](std::int64_t j) {
    const float g = static_cast<float>(dy_row[j]) * gain[j];
    const float normal = (static_cast<float>(x_row[j]) - mu) * scale;
    dx_row[j] = static_cast<T>(scale * (fmaf(-normal, mean_g_normal, g) - mean_g));
  });
}

//   partials [2, blocks, C]: for dgain, for dbias; dy, x [N, C]; mean, rstd [N]
template <typename T>
__global__ void layer_norm_backward_weight(float* partials, const T* dy, const T* x,
                                           const float* mean, const float* rstd, std::int64_t N,
                                           std::int64_t C, std::int64_t rows_per_block) {
  sum_rows<2>(partials, N, C, rows_per_block, [&](std::int64_t i, std::int64_t j, float* sums) {
    const float g = static_cast<float>(dy[i * C + j]);
    const float normal = (static_cast<float>(x[i * C + j]) - mean[i]) * rstd[i];
    sums[0] = fmaf(g, normal, sums[0]);
    sums[1] += g;
  });
}

}  // namespace kernels

void layer_norm(Queue& queue, const TensorView& y, const TensorView& mean, const TensorView& rstd,
                const TensorView& x, const TensorView& gain, const TensorView& bias,
                float epsilon) {
  const std::int64_t C = x.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::layer_norm<T>>(queue, row_shape(x.shape().rows(), C), y.as<T>(),
                                   mean.as<float>(), rstd.as<float>(), x.as<T>(), gain.as<float>(),
                                   bias.as<float>(), C, epsilon);
  });
}

void layer_norm_backward_input(Queue& queue, const TensorView& dx, const TensorView& dy,
                               const TensorView& x, const TensorView& mean, const TensorView& rstd,
                               const TensorView& gain) {
  const std::int64_t C = x.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::layer_norm_backward_input<T>>(queue, row_shape(x.shape().rows(), C), dx.as<T>(),
                                                  dy.as<T>(), x.as<T>(), mean.as<float>(),
                                                  rstd.as<float>(), gain.as<float>(), C);
  });
}

void layer_norm_backward_weight(Queue& queue, const TensorView& dgain, const TensorView& dbias,
                                const TensorView& dy, const TensorView& x, const TensorView& mean,
                                const TensorView& rstd) {
  const std::int64_t N = x.shape().rows();
  const std::int64_t C = x.shape().columns();
  const RowCut cut(N, C, 2);
  float* partials = cut.partials_in(queue, 2);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::layer_norm_backward_weight<T>>(queue, cut.shape(), partials, dy.as<T>(),
                                                   x.as<T>(), mean.as<float>(), rstd.as<float>(), N,
                                                   C, cut.rows_per_block);
  });
  add_partials(queue, dgain.as<float>(), partials, cut.blocks, C);
  add_partials(queue, dbias.as<float>(), partials + cut.partials(), cut.blocks, C);
}

}  // namespace lockflight::ops::cuda
