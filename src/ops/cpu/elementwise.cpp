#include "ops/cpu/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void add_elements(float* z, const float* x, const float* y, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    store(load(x + i, part) + load(y + i, part), z + i, part);
  });
}

void scale_elements(float* y, const float* x, float factor, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    store(load(x + i, part) * constant(factor), y + i, part);
  });
}

void accumulate_scaled_elements(float* y, const float* x, float factor, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    store(hn::MulAdd(load(x + i, part), constant(factor), load(y + i, part)), y + i, part);
  });
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(add_elements);
HWY_EXPORT(scale_elements);
HWY_EXPORT(accumulate_scaled_elements);

}  // namespace

void add(Team& team, float* z, const float* x, const float* y, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_elements)(z + begin, x + begin, y + begin, end - begin);
  });
}

void scale(Team& team, float* y, const float* x, float factor, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scale_elements)(y + begin, x + begin, factor, end - begin);
  });
}

void accumulate_scaled(Team& team, float* y, const float* x, float factor, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(accumulate_scaled_elements)(y + begin, x + begin, factor, end - begin);
  });
}

void copy(Team& team, float* y, const float* x, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    std::copy(x + begin, x + end, y + begin);
  });
}

void fill(Team& team, float* y, float value, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    std::fill(y + begin, y + end, value);
  });
}

}  // namespace lockflight::ops::cpu
#endif
