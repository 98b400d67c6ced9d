// What the vector kernels share: loops over rows with a tail, 2^x, the logistic function.
//
// Compiled once per instruction set (hwy/foreach_target.h), so this file has no ordinary include
// guard. A kernel file includes it after foreach_target.h and writes its loops as
//
//   for_each_vector(floats, count, [&](std::int64_t i, auto part) HWY_ATTR {
//     store(floats, load(floats, x + i, part) + one, y + i, part);
//   });
//
// `part` is a whole vector or the tail. Tails go through a buffer, so nothing beyond the end is
// touched, and an element's result does not depend on alignment.

#if defined(LOCKFLIGHT_OPS_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LOCKFLIGHT_OPS_CPU_VECTOR_INL_H_
#undef LOCKFLIGHT_OPS_CPU_VECTOR_INL_H_
#else
#define LOCKFLIGHT_OPS_CPU_VECTOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;
constexpr Floats floats;

struct Whole {};
struct Tail {
  std::size_t count;
};

HWY_INLINE FloatVector load(const float* from, Whole) { return hn::LoadU(floats, from); }

HWY_INLINE FloatVector load(const float* from, Tail tail, float filler = 0.0F) {
  HWY_ALIGN float lanes[hn::MaxLanes(floats)];
  hn::Store(hn::Set(floats, filler), floats, lanes);
  std::memcpy(lanes, from, tail.count * sizeof(float));
  return hn::Load(floats, lanes);
}

HWY_INLINE FloatVector load(const float* from, Whole whole, float /*filler*/) {
  return load(from, whole);
}

HWY_INLINE void store(FloatVector v, float* to, Whole) { hn::StoreU(v, floats, to); }

HWY_INLINE void store(FloatVector v, float* to, Tail tail) {
  HWY_ALIGN float lanes[hn::MaxLanes(floats)];
  hn::Store(v, floats, lanes);
  std::memcpy(to, lanes, tail.count * sizeof(float));
}

/// v with the lanes beyond the tail set to zero, for sums of what is not zero where x is.
HWY_INLINE FloatVector keep(FloatVector v, Whole) { return v; }

HWY_INLINE FloatVector keep(FloatVector v, Tail tail) {
  return hn::IfThenElseZero(hn::FirstN(floats, tail.count), v);
}

template <class Body>
HWY_INLINE void for_each_vector(std::int64_t count, Body body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(floats));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    body(i, Whole{});
  }
  if (i < count) {
    body(i, Tail{static_cast<std::size_t>(count - i)});
  }
}

HWY_INLINE FloatVector constant(float value) { return hn::Set(floats, value); }

HWY_INLINE float sum_of(FloatVector v) { return hn::GetLane(hn::SumOfLanes(floats, v)); }

HWY_INLINE float max_of(FloatVector v) { return hn::GetLane(hn::MaxOfLanes(floats, v)); }

/// max(low, min(x, high)), but NaN where x is NaN.
HWY_INLINE FloatVector clamp(FloatVector x, float low, float high) {
// Here Min and Max prefer a number to a NaN; elsewhere they return x.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  x = hn::IfThenElse(hn::Lt(x, constant(low)), constant(low), x);
  return hn::IfThenElse(hn::Gt(x, constant(high)), constant(high), x);
#else
  return hn::Min(constant(high), hn::Max(constant(low), x));
#endif
}

/// 2^x to 2 units in the last place for -126 <= x < 127.5; below, 0; above, 2^127.5; NaN stays NaN.
///
/// x = n + f with n whole and |f| <= 1/2; 2^f by a polynomial of degree 6, the interpolation of
/// (2^f
/// - 1) / f at the Chebyshev points (relative error 9e-9). Adding 1.5 * 2^23 + 127 rounds to whole
/// numbers and leaves n + 127, the exponent of 2^n, in the lowest bits.
HWY_INLINE FloatVector exp2(FloatVector x) {
  x = clamp(x, -127.0F, 127.49999F);
  const FloatVector rounder = constant(0x1.8p23F + 127.0F);
  const FloatVector rounded = x + rounder;
  const FloatVector f = x - (rounded - rounder);
  FloatVector p = constant(0.000154531634F);
  p = hn::MulAdd(p, f, constant(0.00133908633F));
  p = hn::MulAdd(p, f, constant(0.00961808302F));
  p = hn::MulAdd(p, f, constant(0.0555035695F));
  p = hn::MulAdd(p, f, constant(0.240226507F));
  p = hn::MulAdd(p, f, constant(0.693147182F));
  p = hn::MulAdd(p, f, constant(1.0F));
  const hn::RebindToSigned<Floats> ints;
  return p * hn::BitCast(floats, hn::ShiftLeft<23>(hn::BitCast(ints, rounded)));
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
