#include "ops/cuda/block.cuh"
#include "ops/cuda/complain.cuh"
#include "ops/cuda/embedding.h"

// N = B T tokens of a vocabulary of V, C channels.  Reference: tests/ops/embedding_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

constexpr int kGradientThreads = 128;
constexpr int kColumnsPerThread = 8;

// One block for each token.
//   y [N, C]; tokens [N]; token_table [V, C]; position_table [T, C] or null
template <typename T>
__global__ void embedding(T* y, const std::int32_t* tokens, const float* token_table,
                          const float* position_table, std::int64_t length, std::int64_t C,
                          std::int64_t V, Complaint* complaint) {
  const std::int64_t i = blockIdx.x;
  const std::int32_t token = tokens[i];
  if (token < 0 || token >= V) {
    if (threadIdx.x == 0) {
      complain(complaint, ComplaintKind::token_out_of_range, i, token, V);
    }
    return;
  }
  const float* token_row = token_table + token * C;
  for_each_column(C, [&](std::int64_t j) {
    const float position = position_table == nullptr ? 0.0F : position_table[i % length * C + j];
    y[i * C + j] = static_cast<T>(token_row[j] + position);
  });
}

// Whether one of tokens[0 … end - 1] is `token`.  A whole warp asks, and gets one answer.
__device__ inline bool occurs_before(const std::int32_t* tokens, std::int64_t end,
                                     std::int32_t token) {
  for (std::int64_t first = 0; first < end; first += kWarpSize) {
    const std::int64_t i = first + threadIdx.x % kWarpSize;
    if (__any_sync(kAllLanes, i < end && tokens[i] == token)) {
      return true;
    }
  }
  return false;
}

// The block of a token's first occurrence adds up all of them, in ascending order; the blocks of
// the others have nothing to do.  Each thread has some columns, each warp looks for the occurrences
// by itself, 32 tokens at a time.
//   dtoken_table [V, C]; dy [N, C]; tokens [N]; blocks: tokens, then groups of columns
template <typename T>
__global__ void embedding_backward_tokens(float* dtoken_table, const T* dy,
                                          const std::int32_t* tokens, std::int64_t N,
                                          std::int64_t C, std::int64_t V, Complaint* complaint) {
  const std::int64_t first_token = blockIdx.x;
  const std::int32_t token = tokens[first_token];
  if (token < 0 || token >= V) {
    if (threadIdx.x == 0) {
      complain(complaint, ComplaintKind::token_out_of_range, first_token, token, V);
    }
    return;
  }
  if (occurs_before(tokens, first_token, token)) {
    return;
  }
  const std::int64_t first_column =
      static_cast<std::int64_t>(blockIdx.y) * blockDim.x * kColumnsPerThread + threadIdx.x;
  float* row = dtoken_table + token * C;
  float sums[kColumnsPerThread];
#pragma unroll
  for (int k = 0; k < kColumnsPerThread; ++k) {
    const std::int64_t j = first_column + k * blockDim.x;
    sums[k] = j < C ? row[j] : 0.0F;
  }
  for (std::int64_t first = first_token; first < N; first += kWarpSize) {
    const std::int64_t mine = first + threadIdx.x % kWarpSize;
    unsigned occurrences = __ballot_sync(kAllLanes, mine < N && tokens[mine] == token);
    while (occurrences != 0) {
      const T* gradient = dy + (first + __ffs(static_cast<int>(occurrences)) - 1) * C;
      occurrences &= occurrences - 1;  // the lowest one is done
#pragma unroll
      for (int k = 0; k < kColumnsPerThread; ++k) {
        const std::int64_t j = first_column + k * blockDim.x;
        sums[k] += j < C ? static_cast<float>(gradient[j]) : 0.0F;
      }
    }
  }
#pragma unroll
  for (int k = 0; k < kColumnsPerThread; ++k) {
    const std::int64_t j = first_column + k * blockDim.x;
    if (j < C) {
      row[j] = sums[k];
    }
  }
}

// One block for each position.
//   dposition_table [T, C]; dy [B, T, C]
template <typename T>
__global__ void embedding_backward_positions(float* dposition_table, const T* dy, std::int64_t B,
                                             std::int64_t length, std::int64_t C) {
  const std::int64_t t = blockIdx.x;
  for_each_column(C, [&](std::int64_t j) {
    float sum = dposition_table[t * C + j];
    for (std::int64_t b = 0; b < B; ++b) {
      sum += static_cast<float>(dy[(b * length + t) * C + j]);
    }
    dposition_table[t * C + j] = sum;
  });
}

}  // namespace kernels

void embedding(Queue& queue, const TensorView& y, const TensorView& tokens,
               const TensorView& token_table, const TensorView& position_table) {
  const std::int64_t length = tokens.shape()[1];
  const std::int64_t V = token_table.shape()[0];
  const std::int64_t C = token_table.shape()[1];
  for_element_type(y.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::embedding<T>>(queue, row_shape(tokens.elements(), C), y.as<T>(),
                                  tokens.as<std::int32_t>(), token_table.as<float>(),
                                  position_table.as<float>(), length, C, V, queue.complaint());
  });
}

void embedding_backward(Queue& queue, const TensorView& dtoken_table,
                        const TensorView& dposition_table, const TensorView& dy,
                        const TensorView& tokens) {
  const std::int64_t N = tokens.elements();
  const std::int64_t V = dtoken_table.shape()[0];
  const std::int64_t C = dtoken_table.shape()[1];
  const auto threads = static_cast<unsigned>(
      std::clamp<std::int64_t>(ceil_divide(C, kernels::kColumnsPerThread * kWarpSize) * kWarpSize,
                               kWarpSize, kernels::kGradientThreads));
  const LaunchShape shape{
      .blocks = dim3(blocks_for(N, 1), blocks_for(C, threads * kernels::kColumnsPerThread)),
      .threads = threads};
  for_element_type(dy.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::embedding_backward_tokens<T>>(queue, shape, dtoken_table.as<float>(),
                                                  dy.as<T>(), tokens.as<std::int32_t>(), N, C, V,
                                                  queue.complaint());
    if (dposition_table) {
      const std::int64_t length = tokens.shape()[1];
      launch<kernels::embedding_backward_positions<T>>(queue, row_shape(length, C),
                                                       dposition_table.as<float>(), dy.as<T>(),
                                                       tokens.shape()[0], length, C);
    }
  });
}

}  // namespace lockflight::ops::cuda
