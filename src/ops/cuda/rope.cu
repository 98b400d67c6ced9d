#include "ops/cuda/launch.cuh"
#include "ops/cuda/rope.h"

// Reference: tests/ops/rope_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// One thread for each position and pair of channels, in each sequence: all heads share its sine and
// cosine.  Angles are in f64, as large ones lose too much in f32.
//   x [B, T, columns], of which the first H heads of 2 `half` channels are rotated; one row of
//   blocks for each sequence
template <typename T>
__global__ void rotate(T* x, std::int64_t length, std::int64_t columns, std::int64_t heads,
                       std::int64_t half, double base, double direction) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= length * half) {
    return;
  }
  const std::int64_t t = index / half;
  const std::int64_t i = index % half;
  const double angle = direction * static_cast<double>(t) *
                       pow(base, -static_cast<double>(i) / static_cast<double>(half));
  double sine = 0.0;
  double cosine = 0.0;
  sincos(angle, &sine, &cosine);
  const float s = static_cast<float>(sine);
  const float c = static_cast<float>(cosine);
  T* pair = x + (blockIdx.y * length + t) * columns + i;
  for (std::int64_t h = 0; h < heads; ++h, pair += 2 * half) {
    const float first = static_cast<float>(pair[0]);
    const float second = static_cast<float>(pair[half]);
    pair[0] = static_cast<T>(fmaf(-second, s, first * c));
    pair[half] = static_cast<T>(fmaf(first, s, second * c));
  }
}

}  // namespace kernels

namespace {

// `direction` is 1 or -1.
void rotate(Queue& queue, const TensorView& x, const RopeOptions& options, double direction) {
  constexpr int kThreads = 128;
  const std::int64_t B = x.shape()[0];
  const std::int64_t length = x.shape()[1];
  const std::int64_t half = options.head_width / 2;
  const LaunchShape shape{
      .blocks = dim3(blocks_for(length * half, kThreads), static_cast<unsigned>(B)),
      .threads = kThreads};
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::rotate<T>>(queue, shape, x.as<T>(), length, x.shape()[2], options.heads, half,
                               options.base, direction);
  });
}

}  // namespace

void rope(Queue& queue, const TensorView& x, const RopeOptions& options) {
  rotate(queue, x, options, 1.0);
}

void rope_backward(Queue& queue, const TensorView& dx, const RopeOptions& options) {
  rotate(queue, dx, options, -1.0);
}

}  // namespace lockflight::ops::cuda
