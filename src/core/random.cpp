#include "lockflight/core/random.h"

#include <cmath>
#include <numbers>

#include <xxhash.h>

namespace lockflight {
namespace {

// Multipliers and key increments of Philox4x32, table 2 of the paper.
constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kIncrement0 = 0x9E3779B9;
constexpr std::uint32_t kIncrement1 = 0xBB67AE85;
constexpr int kRounds = 10;

}  // namespace

std::array<std::uint32_t, 4> philox(const RandomKey& key, std::uint64_t index) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(key.seed >> 32);
  std::array<std::uint32_t, 4> c = {static_cast<std::uint32_t>(index),
                                    static_cast<std::uint32_t>(index >> 32) ^ key.step, key.layer,
                                    key.micro_batch};
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * c[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * c[2];
    c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ k0,
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ k1,
         static_cast<std::uint32_t>(product0)};
    k0 += kIncrement0;
    k1 += kIncrement1;
  }
  return c;
}

std::uint32_t Random::next_u32() {
  if (position_ % 4 == 0) {
    block_ = philox(key_, position_ / 4);
  }
  return block_[position_++ % 4];
}

std::uint64_t Random::next_u64() {
  const std::uint64_t low = next_u32();
  return (std::uint64_t{next_u32()} << 32) | low;
}

double Random::next_uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double Random::next_normal() {
  const double u = 1.0 - next_uniform();  // in (0, 1]: its logarithm is finite
  const double angle = 2.0 * std::numbers::pi * next_uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(angle);
}

std::uint64_t Random::next_below(std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{next_u64()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = Wide{next_u64()} * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t hash_name(std::string_view name) { return XXH64(name.data(), name.size(), 0); }

}  // namespace lockflight
