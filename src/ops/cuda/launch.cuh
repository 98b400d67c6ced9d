// How a kernel gets onto a stream.
//
// Kernels are compiled twice: by nvcc, and, for a virtual GPU that the tests bring, by the host's
// compiler with a header that defines LOCKFLIGHT_SIMT.  The virtual GPU finds a kernel by its
// mangled name.  So kernels lie in namespace lockflight::ops::cuda::kernels, each launch goes
// through `launch`, and nothing else asks who compiles.

#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include <cuda_bf16.h>

#include "lockflight/core/dtype.h"
#include "ops/cuda/kernel.h"

#ifndef LOCKFLIGHT_SIMT
#include <string>
#include <string_view>

#include <cuda_runtime.h>

#include "device/cuda/check.h"
#endif

namespace lockflight::ops::cuda {

struct LaunchShape {
  dim3 blocks;
  dim3 threads;
};

constexpr int kWarpSize = 32;

__host__ __device__ constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

/// Blocks for `count` things of which each block does `per_block`.
constexpr unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  return static_cast<unsigned>(ceil_divide(count, per_block));
}

#ifdef LOCKFLIGHT_SIMT

template <auto kernel>
inline simt::Register<kernel> registered;

template <auto kernel, typename... Arguments>
void launch(Queue& /*queue*/, LaunchShape /*shape*/, Arguments... /*arguments*/) {
  static_cast<void>(&registered<kernel>);
}

#else

template <typename... Parameters, typename... Arguments>
cudaError_t launch_function(void (*kernel)(Parameters...), cudaStream_t stream, LaunchShape shape,
                            Arguments... arguments) {
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  return std::apply(
      [&](Parameters&... value) {
        void* pointers[] = {&value...};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), shape.blocks, shape.threads,
                                pointers, 0, stream);
      },
      values);
}

/// "kernels::gelu<float>", out of the signature of an instantiation of `launch`.
inline std::string kernel_name(std::string_view signature) {
  const std::size_t begin = signature.find("kernels::");
  return std::string(signature.substr(begin, signature.find_first_of(";]", begin) - begin));
}

/// Enqueues `kernel` with arguments that are converted to its parameters; nothing if there are no
/// blocks.  Throws DeviceError, with its name, if it cannot be launched.
template <auto kernel, typename... Arguments>
void launch(Queue& queue, LaunchShape shape, Arguments... arguments) {
  if (shape.blocks.x == 0 || shape.blocks.y == 0) {
    return;
  }
  const cudaError_t status = launch_function(kernel, queue.stream(), shape, arguments...);
  if (status != cudaSuccess) {
    lockflight::cuda::check(status, "the launch of " + kernel_name(__PRETTY_FUNCTION__));
  }
}

#endif

/// Calls body(std::type_identity<T>()) with the element type of an activation: float or
/// __nv_bfloat16.
template <typename Body>
void for_element_type(DType dtype, const Body& body) {
  if (dtype == DType::bf16) {
    body(std::type_identity<__nv_bfloat16>());
  } else {
    body(std::type_identity<float>());
  }
}

}  // namespace lockflight::ops::cuda
