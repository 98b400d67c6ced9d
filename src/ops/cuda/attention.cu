#include <string>

#include "lockflight/core/error.h"
#include "ops/cuda/attention.cuh"
#include "ops/cuda/attention.h"

// B sequences of T positions, H heads of D channels, K heads of keys and values.  Reference:
// tests/ops/attention_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// One block for each head of each sequence and kWarps * kRows queries; those that meet most keys
// come first.
//   y [B, T, H, D]; log_sum_exp [B, H, T]; qkv [B, T, H + 2 K, D]
template <typename T, int kWidth>
__global__ void attention(T* y, float* log_sum_exp, const T* qkv, AttentionShape shape) {
  constexpr int kRows = 8;
  constexpr int kQueries = kWarps * kRows;
  alignas(16) __shared__ float queries[kQueries][kWidth];
  alignas(16) __shared__ float tile[kTile][kWidth + kTilePadding];  // keys, then values
  alignas(16) __shared__ float weights[kWarps][kRows][kTile];
  const std::int64_t heads = shape.batch * shape.heads;
  const std::int64_t block = (gridDim.x - 1 - blockIdx.x) / heads;
  const std::int64_t index = (gridDim.x - 1 - blockIdx.x) % heads;
  const Head head(shape, index / shape.heads, index % shape.heads);
  const std::int64_t begin = block * kQueries;
  const std::int64_t end = smaller(head.T, begin + kQueries);
  const std::int64_t first_query = begin + warp() * kRows;  // of this warp
  load_rows(queries, qkv + head.query(begin), head.stride_qkv, end - begin, head.D);

  float max[kRows];
  float sum[kRows];
  float gathered[kRows][kWidth / kWarpSize] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    max[r] = -INFINITY;
    sum[r] = 0.0F;
  }
  for (std::int64_t first = 0; first < end; first += kTile) {
    __syncthreads();  // the values before have been read
    load_rows(tile, qkv + head.key(first), head.stride_qkv, end - first, head.D);
    __syncthreads();
    float scores[kRows];
    dot_with_tile<kRows, kWidth>(scores, queries + warp() * kRows, tile);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const bool visible = first + lane() <= first_query + r;
      const float score = visible ? scores[r] * head.scale() : -INFINITY;
      const float new_max = fmaxf(max[r], warp_max(score));
      const float weight = expf(score - new_max);
      const float correction = expf(max[r] - new_max);
      weights[warp()][r][lane()] = weight;
      sum[r] = fmaf(sum[r], correction, warp_sum(weight));
      max[r] = new_max;
#pragma unroll
      for (float& channel : gathered[r]) {
        channel *= correction;
      }
    }
    __syncthreads();  // the keys have been read
    load_rows(tile, qkv + head.value(first), head.stride_qkv, end - first, head.D);
    __syncthreads();
    gather_tile<kRows, kWidth>(gathered, weights[warp()], tile);
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const std::int64_t query = first_query + r;
    if (query < end) {
      store_row(y + head.output(query), gathered[r], 1.0F / sum[r], head.D);
      if (lane() == 0) {
        log_sum_exp[head.first_row + query] = max[r] + logf(sum[r]);
      }
    }
  }
}

// Backward, a score's gradient is its weight p times (dy . v - delta) / sqrt(D) with delta = dy . y
// of its query: Dao et al., appendix B.4.  One kernel sums over keys, the other over queries, each
// in ascending order; so both compute weights and their gradients.

// How many rows a warp has: as many as registers and shared memory hold.
template <int kWidth>
constexpr int kBackwardRows = kWidth > 64 ? 4 : 8;

// One block for each head of each sequence and kWarps * kRows queries; those that meet most keys
// come first.
//   dqkv, qkv [B, T, H + 2 K, D], of dqkv the queries; dy, y [B, T, H, D]; log_sum_exp [B, H, T]
template <typename T, int kWidth>
__global__ void attention_backward_queries(T* dqkv, const T* dy, const T* y,
                                           const float* log_sum_exp, const T* qkv,
                                           AttentionShape shape) {
  constexpr int kRows = kBackwardRows<kWidth>;
  constexpr int kQueries = kWarps * kRows;
  alignas(16) __shared__ float queries[kQueries][kWidth];
  alignas(16) __shared__ float doutputs[kQueries][kWidth];
  alignas(16) __shared__ float tile[kTile][kWidth + kTilePadding];  // values, then keys
  alignas(16) __shared__ float dscores[kWarps][kRows][kTile];
  const std::int64_t heads = shape.batch * shape.heads;
  const std::int64_t block = (gridDim.x - 1 - blockIdx.x) / heads;
  const std::int64_t index = (gridDim.x - 1 - blockIdx.x) % heads;
  const Head head(shape, index / shape.heads, index % shape.heads);
  const std::int64_t begin = block * kQueries;
  const std::int64_t end = smaller(head.T, begin + kQueries);
  const std::int64_t first_query = begin + warp() * kRows;  // of this warp
  load_rows(queries, qkv + head.query(begin), head.stride_qkv, end - begin, head.D);
  load_rows(doutputs, dy + head.output(begin), head.stride_y, end - begin, head.D);

  float delta[kRows];
  float row_log_sum_exp[kRows];
  float gathered[kRows][kWidth / kWarpSize] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const std::int64_t query = first_query + r;
    const bool there = query < end;
    delta[r] = there ? dot(dy + head.output(query), y + head.output(query), head.D) : 0.0F;
    row_log_sum_exp[r] = there ? log_sum_exp[head.first_row + query] : 0.0F;
  }
  for (std::int64_t first = 0; first < end; first += kTile) {
    __syncthreads();  // the keys before have been read
    load_rows(tile, qkv + head.value(first), head.stride_qkv, end - first, head.D);
    __syncthreads();
    float dweights[kRows];
    dot_with_tile<kRows, kWidth>(dweights, doutputs + warp() * kRows, tile);
    __syncthreads();  // the values have been read
    load_rows(tile, qkv + head.key(first), head.stride_qkv, end - first, head.D);
    __syncthreads();
    float scores[kRows];
    dot_with_tile<kRows, kWidth>(scores, queries + warp() * kRows, tile);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const bool visible = first + lane() <= first_query + r;
      const float weight = visible ? expf(scores[r] * head.scale() - row_log_sum_exp[r]) : 0.0F;
      dscores[warp()][r][lane()] = weight * (dweights[r] - delta[r]) * head.scale();
    }
    __syncwarp();
    gather_tile<kRows, kWidth>(gathered, dscores[warp()], tile);
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (first_query + r < end) {
      store_row(dqkv + head.query(first_query + r), gathered[r], 1.0F, head.D);
    }
  }
}

// One block for each head of keys and values of each sequence and kWarps * kRows keys; those that
// meet most queries come first.  The heads that share the keys come one after another.
//   dqkv, qkv [B, T, H + 2 K, D], of dqkv keys and values; dy, y [B, T, H, D]; log_sum_exp [B, H,
//   T]
template <typename T, int kWidth>
__global__ void attention_backward_keys(T* dqkv, const T* dy, const T* y, const float* log_sum_exp,
                                        const T* qkv, AttentionShape shape) {
  constexpr int kRows = kBackwardRows<kWidth>;
  constexpr int kKeys = kWarps * kRows;
  alignas(16) __shared__ float keys[kKeys][kWidth];
  alignas(16) __shared__ float values[kKeys][kWidth];
  alignas(16) __shared__ float tile[kTile][kWidth + kTilePadding];  // queries, dy, queries again
  alignas(16) __shared__ float weights[kWarps][kRows][kTile];       // then gradients of scores
  __shared__ float delta[kTile];
  const std::int64_t groups = shape.batch * shape.key_value_heads;
  const std::int64_t group = shape.heads / shape.key_value_heads;
  const std::int64_t begin = blockIdx.x / groups * kKeys;
  const std::int64_t index = blockIdx.x % groups;
  const std::int64_t b = index / shape.key_value_heads;
  const std::int64_t first_head = index % shape.key_value_heads * group;
  const std::int64_t first_key = begin + warp() * kRows;  // of this warp
  const Head shared(shape, b, first_head);
  load_rows(keys, qkv + shared.key(begin), shared.stride_qkv, shared.T - begin, shared.D);
  load_rows(values, qkv + shared.value(begin), shared.stride_qkv, shared.T - begin, shared.D);

  // Beyond the last query the tile has zeros, and adds nothing to these.
  float dkeys[kRows][kWidth / kWarpSize] = {};
  float dvalues[kRows][kWidth / kWarpSize] = {};
  for (std::int64_t h = first_head; h < first_head + group; ++h) {
    const Head head(shape, b, h);
    for (std::int64_t first = begin / kTile * kTile; first < head.T; first += kTile) {
      const std::int64_t query = first + lane();
      __syncthreads();  // the queries before have been read
      load_rows(tile, qkv + head.query(first), head.stride_qkv, head.T - first, head.D);
      __syncthreads();
      const float query_log_sum_exp = query < head.T ? log_sum_exp[head.first_row + query] : 0.0F;
      float scores[kRows];
      dot_with_tile<kRows, kWidth>(scores, keys + warp() * kRows, tile);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {  // scores become weights
        const bool visible = first_key + r <= query;
        scores[r] = visible ? expf(scores[r] * head.scale() - query_log_sum_exp) : 0.0F;
        weights[warp()][r][lane()] = scores[r];
      }
      __syncthreads();  // the queries have been read
      load_rows(tile, dy + head.output(first), head.stride_y, head.T - first, head.D);
      for (int i = warp(); i < kTile; i += kWarps) {
        const std::int64_t at = head.output(first + i);
        const float sum = first + i < head.T ? dot(dy + at, y + at, head.D) : 0.0F;
        if (lane() == 0) {
          delta[i] = sum;
        }
      }
      __syncthreads();
      gather_tile<kRows, kWidth>(dvalues, weights[warp()], tile);
      float dweights[kRows];
      dot_with_tile<kRows, kWidth>(dweights, values + warp() * kRows, tile);
      const float query_delta = delta[lane()];
      __syncthreads();  // the gradients of outputs and the weights have been read
      load_rows(tile, qkv + head.query(first), head.stride_qkv, head.T - first, head.D);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        weights[warp()][r][lane()] = scores[r] * (dweights[r] - query_delta) * head.scale();
      }
      __syncthreads();
      gather_tile<kRows, kWidth>(dkeys, weights[warp()], tile);
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const std::int64_t key = first_key + r;
    if (key < shared.T) {
      store_row(dqkv + shared.key(key), dkeys[r], 1.0F, shared.D);
      store_row(dqkv + shared.value(key), dvalues[r], 1.0F, shared.D);
    }
  }
}

}  // namespace kernels

namespace {

AttentionShape attention_shape(const TensorView& y, AttentionHeads heads) {
  const std::int64_t D = y.shape()[2] / heads.queries;
  if (D > 128) {
    throw InvalidArgument("attention: heads of " + std::to_string(D) +
                          " channels are too wide for CUDA, which takes at most 128; use more "
                          "heads");
  }
  return {.batch = y.shape()[0],
          .length = y.shape()[1],
          .heads = heads.queries,
          .key_value_heads = heads.key_values,
          .channels = static_cast<int>(D)};
}

LaunchShape attention_launch(std::int64_t heads, std::int64_t length, std::int64_t rows_per_warp) {
  const std::int64_t blocks = ceil_divide(length, kernels::kWarps * rows_per_warp);
  return {.blocks = blocks_for(heads * blocks, 1), .threads = kernels::kWarps * kWarpSize};
}

// Calls body(std::integral_constant<int, kWidth>()) with the narrowest width for D channels.
template <typename Body>
void for_width(int D, const Body& body) {
  if (D <= 32) {
    body(std::integral_constant<int, 32>());
  } else if (D <= 64) {
    body(std::integral_constant<int, 64>());
  } else {
    body(std::integral_constant<int, 128>());
  }
}

}  // namespace

void attention(Queue& queue, const TensorView& y, const TensorView& log_sum_exp,
               const TensorView& qkv, AttentionHeads heads) {
  constexpr int kRowsPerWarp = 8;
  const AttentionShape shape = attention_shape(y, heads);
  for_element_type(y.dtype(), [&]<typename T>(std::type_identity<T>) {
    for_width(shape.channels, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch<kernels::attention<T, kWidth>>(
          queue, attention_launch(shape.batch * shape.heads, shape.length, kRowsPerWarp), y.as<T>(),
          log_sum_exp.as<float>(), qkv.as<T>(), shape);
    });
  });
}

void attention_backward(Queue& queue, const TensorView& dqkv, const TensorView& dy,
                        const TensorView& y, const TensorView& log_sum_exp, const TensorView& qkv,
                        AttentionHeads heads) {
  const AttentionShape shape = attention_shape(y, heads);
  for_element_type(y.dtype(), [&]<typename T>(std::type_identity<T>) {
    for_width(shape.channels, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      constexpr int kRows = kernels::kBackwardRows<kWidth>;
      launch<kernels::attention_backward_queries<T, kWidth>>(
          queue, attention_launch(shape.batch * shape.heads, shape.length, kRows), dqkv.as<T>(),
          dy.as<T>(), y.as<T>(), log_sum_exp.as<float>(), qkv.as<T>(), shape);
      launch<kernels::attention_backward_keys<T, kWidth>>(
          queue, attention_launch(shape.batch * shape.key_value_heads, shape.length, kRows),
          dqkv.as<T>(), dy.as<T>(), y.as<T>(), log_sum_exp.as<float>(), qkv.as<T>(), shape);
    });
  });
}

}  // namespace lockflight::ops::cuda
