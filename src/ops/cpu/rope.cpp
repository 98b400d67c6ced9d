#include "ops/cpu/rope.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rope.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

// Turns the pairs of `heads` heads, each of 2 `half` channels; cosine and sine [half].
void rotate_heads(float* x, const float* cosine, const float* sine, std::int64_t heads,
                  std::int64_t half) {
  for (std::int64_t h = 0; h < heads; ++h) {
    float* first_row = x + h * 2 * half;
    float* second_row = first_row + half;
    for_each_vector(half, [&](std::int64_t i, auto part) HWY_ATTR {
      const FloatVector c = load(cosine + i, part);
      const FloatVector s = load(sine + i, part);
      const FloatVector first = load(first_row + i, part);
      const FloatVector second = load(second_row + i, part);
      store(hn::NegMulAdd(second, s, first * c), first_row + i, part);
      store(hn::MulAdd(first, s, second * c), second_row + i, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(rotate_heads);

// Work is cut by positions, so that all sequences and heads share a position's sines and cosines.
// `direction` is 1 or -1.
void rotate(Team& team, Values x, RopeShape shape, double base, double direction) {
  const std::int64_t half = shape.head_width / 2;
  const double ratio = std::pow(base, -1.0 / static_cast<double>(half));  // of successive angles
  const MatrixShape positions{.rows = shape.length, .columns = shape.batch * shape.columns};
  for_each_piece(
      team, shape.length, rows_per_piece(positions), [&](std::int64_t begin, std::int64_t end) {
        float* cosine = thread_scratch(2 * half).data();
        float* sine = cosine + half;
        for (std::int64_t t = begin; t < end; ++t) {
          double angle = direction * static_cast<double>(t);
          for (std::int64_t i = 0; i < half; ++i) {
            cosine[i] = static_cast<float>(std::cos(angle));
            sine[i] = static_cast<float>(std::sin(angle));
            angle *= ratio;
          }
          for (std::int64_t b = 0; b < shape.batch; ++b) {
            Tile tile;
            const std::int64_t at = (b * shape.length + t) * shape.columns;
            HWY_DYNAMIC_DISPATCH(rotate_heads)
            (tile.update(x, at, 2 * half * shape.heads), cosine, sine, shape.heads, half);
          }
        }
      });
}

}  // namespace

void rope(Team& team, Values x, RopeShape shape, double base) { rotate(team, x, shape, base, 1.0); }

void rope_backward(Team& team, Values dx, RopeShape shape, double base) {
  rotate(team, dx, shape, base, -1.0);
}

}  // namespace lockflight::ops::cpu
#endif
