// Counter-based random numbers: Philox4x32-10.
//
// A value depends on its key and its place alone, never on what was drawn before, on which rank or
// in which order. Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2,
// 3", SC 2011, section 3.3.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lockflight {

/// What a stream of random numbers belongs to.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t layer = 0;
  std::uint32_t micro_batch = 0;
};

/// Four 32-bit words for block `index` of `key`: element e of a tensor uses word e % 4 of block e
/// / 4. The counter is (index low, index high ^ step, layer, micro_batch), the key is the seed.
std::array<std::uint32_t, 4> philox(const RandomKey& key, std::uint64_t index);

/// Numbers drawn one after another from one key, for initial values, batches and sampling.
class Random {
 public:
  explicit Random(const RandomKey& key) : key_(key) {}

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  /// Uniform in [0, 1), 53 bits.
  double next_uniform();
  /// Standard normal (Box and Muller 1958); each call consumes two uniforms.
  double next_normal();
  /// Uniform in 0 … bound - 1 without bias (Lemire 2019, arXiv:1805.10941).  bound > 0.
  std::uint64_t next_below(std::uint64_t bound);

 private:
  RandomKey key_;
  std::uint64_t position_ = 0;
  std::array<std::uint32_t, 4> block_{};
};

/// 64-bit hash of a name: the same on every machine (XXH64, seed 0).
std::uint64_t hash_name(std::string_view name);

}  // namespace lockflight
