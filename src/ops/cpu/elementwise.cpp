#include "ops/cpu/elementwise.h"

#include "ops/cpu/bfloat16.h"

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

void add(Team& team, Values z, ConstValues x, ConstValues y, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    const std::int64_t part = end - begin;
    HWY_DYNAMIC_DISPATCH(add_elements)
    (tile.write(z, begin, part), tile.read(x, begin, part), tile.read(y, begin, part), part);
  });
}

void scale(Team& team, Values y, ConstValues x, float factor, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    const std::int64_t part = end - begin;
    HWY_DYNAMIC_DISPATCH(scale_elements)
    (tile.write(y, begin, part), tile.read(x, begin, part), factor, part);
  });
}

void accumulate_scaled(Team& team, Values y, ConstValues x, float factor, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    const std::int64_t part = end - begin;
    HWY_DYNAMIC_DISPATCH(accumulate_scaled_elements)
    (tile.update(y, begin, part), tile.read(x, begin, part), factor, part);
  });
}

void copy(Team& team, Values y, ConstValues x, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t part = end - begin;
    if (y.is_f32() && x.is_f32()) {
      std::copy_n(x.f32(begin), part, y.f32(begin));
    } else if (y.is_f32()) {
      widen(y.f32(begin), x.bf16(begin), part);
    } else if (x.is_f32()) {
      round_to_bf16(y.bf16(begin), x.f32(begin), part);
    } else {
      std::copy_n(x.bf16(begin), part, y.bf16(begin));
    }
  });
}

void fill(Team& team, Values y, float value, std::int64_t count) {
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    if (y.is_f32()) {
      std::fill_n(y.f32(begin), end - begin, value);
    } else {
      std::fill_n(y.bf16(begin), end - begin, BFloat16(value));
    }
  });
}

}  // namespace lockflight::ops::cpu
#endif
