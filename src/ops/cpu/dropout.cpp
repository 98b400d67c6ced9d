#include "ops/cpu/dropout.h"

#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/dropout.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

using Words = hn::ScalableTag<std::uint32_t>;
using Wides = hn::ScalableTag<std::uint64_t>;

constexpr std::int64_t kWordsPerBatch = static_cast<std::int64_t>(4 * hn::MaxLanes(Wides()));

/// Words of as many consecutive Philox blocks as there are 64-bit lanes, from block `index` on, one
/// block per lane: counters are in the low halves, so a product's halves are the two results.
HWY_INLINE void philox_blocks(const RandomKey& key, std::uint64_t index, std::uint32_t* words) {
  const Wides wide;
  const Words narrow;
  const auto low_half = hn::Set(wide, 0xFFFFFFFFULL);
  const auto lane_index = hn::Iota(wide, 0) + hn::Set(wide, index);
  auto c0 = hn::And(lane_index, low_half);
  auto c1 = hn::Xor(hn::ShiftRight<32>(lane_index), hn::Set(wide, std::uint64_t{key.step}));
  auto c2 = hn::Set(wide, std::uint64_t{key.layer});
  auto c3 = hn::Set(wide, std::uint64_t{key.micro_batch});
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(key.seed >> 32);
  const auto multiplier0 = hn::Set(narrow, 0xD2511F53U);
  const auto multiplier1 = hn::Set(narrow, 0xCD9E8D57U);
  for (int round = 0; round < 10; ++round) {
    const auto product0 = hn::MulEven(hn::BitCast(narrow, c0), multiplier0);
    const auto product1 = hn::MulEven(hn::BitCast(narrow, c2), multiplier1);
    // The high halves of c0 and c2 may hold anything: MulEven does not read them.
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(wide, std::uint64_t{k0}));
    c1 = product1;
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(wide, std::uint64_t{k1}));
    c3 = product0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  const auto first = hn::Or(hn::And(c0, low_half), hn::ShiftLeft<32>(c1));
  const auto second = hn::Or(hn::And(c2, low_half), hn::ShiftLeft<32>(c3));
  hn::StoreInterleaved2(first, second, wide, reinterpret_cast<std::uint64_t*>(words));
}

// Element 0 is the first of block first_block.
void dropout_elements(float* y, const float* x, std::uint32_t threshold, float factor,
                      const RandomKey& key, std::uint64_t first_block, std::int64_t count) {
  const Words narrow;
  HWY_ALIGN std::uint32_t words[static_cast<std::size_t>(kWordsPerBatch)];
  for (std::int64_t at = 0; at < count; at += kWordsPerBatch) {
    philox_blocks(key, first_block + static_cast<std::uint64_t>(at) / 4, words);
    for_each_vector(std::min(kWordsPerBatch, count - at), [&](std::int64_t i, auto part) HWY_ATTR {
      // Unsigned comparison by subtraction: max(word, threshold) == word.
      const auto word = hn::Load(narrow, words + i);
      const auto kept = hn::Eq(hn::Max(word, hn::Set(narrow, threshold)), word);
      const FloatVector scaled = load(x + at + i, part) * constant(factor);
      store(hn::IfThenElseZero(hn::RebindMask(floats, kept), scaled), y + at + i, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(dropout_elements);

}  // namespace

void dropout(Team& team, Values y, ConstValues x, float rate, const RandomKey& key,
             std::int64_t count) {
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(rate) * 0x1.0p32);
  const float factor = 1.0F / (1.0F - rate);
  static_assert(kElementsPerPiece % 4 == 0, "a piece begins with a block");
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    const std::int64_t part = end - begin;
    HWY_DYNAMIC_DISPATCH(dropout_elements)
    (tile.write(y, begin, part), tile.read(x, begin, part), threshold, factor, key,
     static_cast<std::uint64_t>(begin) / 4, part);
  });
}

}  // namespace lockflight::ops::cpu
#endif
