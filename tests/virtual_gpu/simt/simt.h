// CUDA's device language for g++ and clang: included in front of a .cu file (g++ -x c++ -include
// simt.h), it turns kernels into ordinary functions that simt/ runs thread by thread.
//
// What there is of the language: threadIdx and its kin, static __shared__ arrays, __syncthreads,
// full-mask shuffles and votes, __syncwarp, atomics on 4 and 8 bytes, and the mathematics that
// kernels of this project use.  Anything else does not compile.

#pragma once

#define LOCKFLIGHT_SIMT 1

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "virtual_gpu/simt/abi.h"
#include "virtual_gpu/simt/device.h"

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __launch_bounds__
#undef __forceinline__
#undef __noinline__
#define __global__ __attribute__((used, noinline))
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))

namespace simt {

// Read past the hooks: where a thread is concerns no other one.
inline uint3 load(const Dimensions& from) {
  uint3 to;
  asm("movl %1, %0" : "=r"(to.x) : "m"(from.x));
  asm("movl %1, %0" : "=r"(to.y) : "m"(from.y));
  asm("movl %1, %0" : "=r"(to.z) : "m"(from.z));
  return to;
}

template <typename T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/// Makes a kernel known to the virtual machine, when the library of kernels is loaded.  A launch
/// names it once, wherever in its body: simt::Register<kernel>::use().
template <auto kernel>
struct Register;

template <typename... Parameters, void (*kernel)(Parameters...)>
struct Register<kernel> {
  static void use() { asm volatile("" : : "r"(&registration)); }

 private:
  // The arguments lie in the host's memory, so this is not traced.
  template <std::size_t... I>
  __attribute__((no_sanitize_thread)) static void call_with(void** arguments,
                                                            std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<Parameters>*>(arguments[I])...);
  }
  __attribute__((no_sanitize_thread)) static void call(void** arguments) {
    call_with(arguments, std::index_sequence_for<Parameters...>());
  }

  struct Registration {
    Registration() { register_kernel(&entry, reinterpret_cast<const void*>(kernel)); }
    std::size_t sizes[sizeof...(Parameters) + 1] = {sizeof(Parameters)..., 0};
    Kernel entry = {nullptr, &call, sizes, sizeof...(Parameters)};
  };
  static inline Registration registration;
};

template <typename T, typename Change>
T atomically(T* place, T operand, T compare, Change) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  const auto change = [](std::uint64_t old, std::uint64_t with, std::uint64_t expected) {
    return to_bits(Change()(from_bits<T>(old), from_bits<T>(with), from_bits<T>(expected)));
  };
  return from_bits<T>(atomic(place, sizeof(T), to_bits(operand), to_bits(compare), change));
}

}  // namespace simt

#define threadIdx (::simt::load(::simt::position.thread))
#define blockIdx (::simt::load(::simt::position.block))
#define blockDim (::simt::load(::simt::position.block_size))
#define gridDim (::simt::load(::simt::position.grid_size))
inline constexpr int warpSize = 32;

#include "virtual_gpu/simt/intrinsics.h"
