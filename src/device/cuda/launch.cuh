// How a kernel gets onto a stream.
//
// Kernels are compiled twice: by nvcc, and, for a virtual GPU that the tests bring, by the host's
// compiler with a header that defines LOCKFLIGHT_SIMT.  The virtual GPU finds a kernel by its
// mangled name.  So kernels lie in named namespaces, each launch goes through `launch`, and nothing
// else asks who compiles.

#pragma once

#include <tuple>

#include "device/cuda/queue.h"

#ifndef LOCKFLIGHT_SIMT
#include <string>
#include <string_view>

#include <cuda_runtime.h>

#include "device/cuda/check.h"
#endif

namespace lockflight::cuda {

struct LaunchShape {
  dim3 blocks;
  dim3 threads;
};

#ifdef LOCKFLIGHT_SIMT

template <auto kernel, typename... Arguments>
void launch(Queue& /*queue*/, LaunchShape /*shape*/, Arguments... /*arguments*/) {
  simt::Register<kernel>::use();
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
    check(status, "the launch of " + kernel_name(__PRETTY_FUNCTION__));
  }
}

#endif

}  // namespace lockflight::cuda
