#include "ops/cuda/dropout.h"
#include "ops/cuda/launch.cuh"

// Reference: tests/ops/dropout_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

constexpr int kWordsPerBlock = 4;

struct PhiloxBlock {
  std::uint32_t word[kWordsPerBlock];
};

// Philox4x32-10, as philox in core/random.cpp.
__device__ inline PhiloxBlock philox_block(const RandomKey& key, std::uint64_t index) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(key.seed >> 32);
  PhiloxBlock c = {{static_cast<std::uint32_t>(index),
                    static_cast<std::uint32_t>(index >> 32) ^ key.step, key.layer,
                    key.micro_batch}};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * c.word[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * c.word[2];
    c = {{static_cast<std::uint32_t>(product1 >> 32) ^ c.word[1] ^ k0,
          static_cast<std::uint32_t>(product1),
          static_cast<std::uint32_t>(product0 >> 32) ^ c.word[3] ^ k1,
          static_cast<std::uint32_t>(product0)}};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

// One thread for each block of Philox.
//   y, x [count]; y may be x
template <typename T>
__global__ void dropout(T* y, const T* x, std::uint32_t threshold, float factor, RandomKey key,
                        std::int64_t count) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t first = index * kWordsPerBlock;
  if (first >= count) {
    return;
  }
  const PhiloxBlock random = philox_block(key, static_cast<std::uint64_t>(index));
#pragma unroll
  for (int k = 0; k < kWordsPerBlock; ++k) {
    const std::int64_t i = first + k;
    if (i < count) {
      const float scaled = static_cast<float>(x[i]) * factor;
      y[i] = static_cast<T>(random.word[k] >= threshold ? scaled : 0.0F);
    }
  }
}

}  // namespace kernels

void dropout(Queue& queue, const TensorView& y, const TensorView& x, float rate,
             const RandomKey& key) {
  constexpr int kThreads = 256;
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(rate) * 0x1.0p32);
  const float factor = 1.0F / (1.0F - rate);
  const LaunchShape shape{.blocks = blocks_for(x.elements(), kThreads * kernels::kWordsPerBlock),
                          .threads = kThreads};
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::dropout<T>>(queue, shape, y.as<T>(), x.as<T>(), threshold, factor, key,
                                x.elements());
  });
}

}  // namespace lockflight::ops::cuda
