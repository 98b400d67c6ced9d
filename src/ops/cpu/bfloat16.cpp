#include "ops/cpu/bfloat16.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/bfloat16.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

using Words = hn::RebindToUnsigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;

void widen_elements(float* to, const BFloat16* from, std::int64_t count) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(floats));
  const auto* halves = reinterpret_cast<const std::uint16_t*>(from);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto words = hn::PromoteTo(Words(), hn::LoadU(Halves(), halves + i));
    hn::StoreU(hn::BitCast(floats, hn::ShiftLeft<16>(words)), floats, to + i);
  }
  for (; i < count; ++i) {
    to[i] = static_cast<float>(from[i]);
  }
}

// BFloat16::rounded on vectors.
void round_elements(BFloat16* to, const float* from, std::int64_t count) {
  const Words words;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(floats));
  auto* halves = reinterpret_cast<std::uint16_t*>(to);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const FloatVector value = hn::LoadU(floats, from + i);
    const auto bits = hn::BitCast(words, value);
    const auto upper = hn::ShiftRight<16>(bits);
    const auto odd = hn::And(upper, hn::Set(words, 1U));
    const auto rounded = hn::ShiftRight<16>(bits + hn::Set(words, 0x7FFFU) + odd);
    const auto is_nan = hn::RebindMask(words, hn::IsNaN(value));
    const auto chosen = hn::IfThenElse(is_nan, hn::Or(upper, hn::Set(words, 0x40U)), rounded);
    hn::StoreU(hn::TruncateTo(Halves(), chosen), Halves(), halves + i);
  }
  for (; i < count; ++i) {
    to[i] = BFloat16(from[i]);
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(widen_elements);
HWY_EXPORT(round_elements);

}  // namespace

void widen(float* to, const BFloat16* from, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(widen_elements)(to, from, count);
}

void round_to_bf16(BFloat16* to, const float* from, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(round_elements)(to, from, count);
}

}  // namespace lockflight::ops::cpu
#endif
