#include <cstdint>

#include "device/cuda/add.h"
#include "device/cuda/launch.cuh"

namespace lockflight::cuda {
namespace kernels {

/// sum[i] += values[i].   sum, values [count]
template <typename T>
__global__ void add(T* sum, const T* values, std::int64_t count) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) {
    sum[i] += values[i];
  }
}

}  // namespace kernels

void add(Queue& queue, const TensorView& sum, const TensorView& values) {
  constexpr int kThreads = 256;
  const std::int64_t count = sum.elements();
  const LaunchShape shape{.blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads),
                          .threads = kThreads};
  if (sum.dtype() == DType::f64) {
    launch<&kernels::add<double>>(queue, shape, sum.as<double>(), values.as<double>(), count);
  } else {
    launch<&kernels::add<float>>(queue, shape, sum.as<float>(), values.as<float>(), count);
  }
}

}  // namespace lockflight::cuda
