#include "ops/cpu/tile.h"

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

float* Tile::scratch(std::int64_t count) { return thread_scratch(count, ++used_).data(); }

float* Tile::widened(const BFloat16* values, std::int64_t count) {
  float* wide = scratch(count);
  widen(wide, values, count);
  return wide;
}

float* Tile::result(BFloat16* to, float* from, std::int64_t count) {
  pending_[results_++] = {to, from, count};
  return from;
}

void Tile::round(const Result& result) { round_to_bf16(result.to, result.from, result.count); }

}  // namespace lockflight::ops::cpu
