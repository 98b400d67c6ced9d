// How the test kernels are launched: as the library's own, but on a bare stream.

#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include <cuda_runtime.h>

namespace virtual_gpu_test {

struct LaunchShape {
  dim3 blocks, threads;
};

#ifdef LOCKFLIGHT_SIMT

template <auto kernel, typename... Arguments>
cudaError_t launch(cudaStream_t, LaunchShape, Arguments...) {
  simt::Register<kernel>::use();
  return cudaSuccess;
}

#else

template <typename... Parameters, std::size_t... I>
cudaError_t launch_with(void (*kernel)(Parameters...), cudaStream_t stream, LaunchShape shape,
                        std::tuple<Parameters...> arguments, std::index_sequence<I...>) {
  void* pointers[] = {&std::get<I>(arguments)..., nullptr};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), shape.blocks, shape.threads,
                          pointers, 0, stream);
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch_converted(void (*kernel)(Parameters...), cudaStream_t stream, LaunchShape shape,
                             Arguments... arguments) {
  return launch_with(kernel, stream, shape, std::tuple<Parameters...>(arguments...),
                     std::index_sequence_for<Parameters...>());
}

template <auto kernel, typename... Arguments>
cudaError_t launch(cudaStream_t stream, LaunchShape shape, Arguments... arguments) {
  return launch_converted(kernel, stream, shape, arguments...);
}

#endif

}  // namespace virtual_gpu_test
