// CUDA's built-in device functions, for simt.h alone.

#pragma once

inline void __syncthreads(int line = __builtin_LINE()) { simt::barrier(line); }
inline void __syncwarp(unsigned mask = ~0U, int line = __builtin_LINE()) {
  simt::warp_barrier(mask, line);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, int line = __builtin_LINE()) {
  return simt::from_bits<T>(
      simt::exchange(mask, simt::to_bits(value), simt::Exchange::from_lane, lane, width, line));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 int line = __builtin_LINE()) {
  return simt::from_bits<T>(simt::exchange(mask, simt::to_bits(value), simt::Exchange::up,
                                           static_cast<int>(delta), width, line));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   int line = __builtin_LINE()) {
  return simt::from_bits<T>(simt::exchange(mask, simt::to_bits(value), simt::Exchange::down,
                                           static_cast<int>(delta), width, line));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, int line = __builtin_LINE()) {
  return simt::from_bits<T>(
      simt::exchange(mask, simt::to_bits(value), simt::Exchange::by_xor, lanes, width, line));
}
inline unsigned __ballot_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return simt::vote(mask, value != 0, line);
}
inline int __any_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return simt::vote(mask, value != 0, line) != 0;
}
inline int __all_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return simt::vote(mask, value == 0, line) == 0;
}

// Atomics.
template <typename T>
T atomicAdd(T* place, T value) {
  static_assert(std::is_integral_v<T>, "atomics on floats depend on the order of threads");
  return simt::atomically(place, value, T{}, [](T old, T with, T) { return old + with; });
}
template <typename T>
T atomicMax(T* place, T value) {
  return simt::atomically(place, value, T{},
                          [](T old, T with, T) { return old < with ? with : old; });
}
template <typename T>
T atomicMin(T* place, T value) {
  return simt::atomically(place, value, T{},
                          [](T old, T with, T) { return with < old ? with : old; });
}
template <typename T>
T atomicOr(T* place, T value) {
  return simt::atomically(place, value, T{}, [](T old, T with, T) { return old | with; });
}
template <typename T>
T atomicExch(T* place, T value) {
  return simt::atomically(place, value, T{}, [](T, T with, T) { return with; });
}
template <typename T>
T atomicCAS(T* place, T compare, T value) {
  return simt::atomically(place, value, compare,
                          [](T old, T with, T expected) { return old == expected ? with : old; });
}

// Reading through the read-only cache.
template <typename T>
T __ldg(const T* place) {
  return *place;
}

// Bits.
inline int __float_as_int(float value) { return simt::from_bits<int>(simt::to_bits(value)); }
inline unsigned __float_as_uint(float value) {
  return simt::from_bits<unsigned>(simt::to_bits(value));
}
inline float __int_as_float(int value) { return simt::from_bits<float>(simt::to_bits(value)); }
inline float __uint_as_float(unsigned value) {
  return simt::from_bits<float>(simt::to_bits(value));
}
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __clz(int value) {
  return value == 0 ? 32 : __builtin_clz(static_cast<unsigned>(value));
}
inline int __ffs(int value) { return __builtin_ffs(value); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}

// Mathematics that the host's library lacks.
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.0F / x; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline long min(long a, long b) { return b < a ? b : a; }
inline long max(long a, long b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long min(unsigned long a, unsigned long b) { return b < a ? b : a; }
inline unsigned long max(unsigned long a, unsigned long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return b < a ? b : a; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
