// What the forward and the backward kernels of attention share: where a head lies, and products of
// rows in registers with a tile in shared memory.
//
// A block has kWarps warps, and each warp some rows: queries forward, queries or keys backward. The
// other side goes by in tiles of kTile rows, one for each lane of a warp. So a warp computes scores
// with a lane for each row of the tile (dot_with_tile), and gathers with a lane for each channel
// (gather_tile). Rows are padded with zeros to kWidth channels: 32, 64 or 128.

#pragma once

#include "ops/cuda/block.cuh"

namespace lockflight::ops::cuda {

struct AttentionShape {
  std::int64_t batch;            // B
  std::int64_t length;           // T
  std::int64_t heads;            // H
  std::int64_t key_value_heads;  // K, which divides H
  int channels;                  // D, of one head
};

namespace kernels {

constexpr int kWarps = 4;
constexpr int kTile = kWarpSize;
// Between the rows of a tile, so that the lanes of a warp, each in its own row, use all banks.
constexpr int kTilePadding = 4;
static_assert(kTilePadding % 4 == 0, "rows are read in quads");

// Where one head of one sequence, and the keys and values that it sees, lie.
struct Head {
  std::int64_t T;
  int D;
  std::int64_t stride_y;     // from one position to the next in [B, T, H, D]
  std::int64_t stride_qkv;   // and in [B, T, H + 2 K, D]
  std::int64_t first;        // offset of channel 0 of the head at t = 0 in [B, T, H, D]
  std::int64_t first_query;  // the same in [B, T, H + 2 K, D]
  std::int64_t first_key;
  std::int64_t first_value;
  std::int64_t first_row;  // offset in [B, H, T]

  __device__ Head(const AttentionShape& shape, std::int64_t b, std::int64_t h)
      : T(shape.length),
        D(shape.channels),
        stride_y(shape.heads * D),
        stride_qkv((shape.heads + 2 * shape.key_value_heads) * D),
        first(b * T * stride_y + h * D),
        first_query(b * T * stride_qkv + h * D),
        first_key(b * T * stride_qkv +
                  (shape.heads + h / (shape.heads / shape.key_value_heads)) * D),
        first_value(first_key + shape.key_value_heads * D),
        first_row((b * shape.heads + h) * T) {}

  __device__ std::int64_t query(std::int64_t t) const { return first_query + t * stride_qkv; }
  __device__ std::int64_t key(std::int64_t t) const { return first_key + t * stride_qkv; }
  __device__ std::int64_t value(std::int64_t t) const { return first_value + t * stride_qkv; }
  __device__ std::int64_t output(std::int64_t t) const { return first + t * stride_y; }
  __device__ float scale() const { return rsqrtf(static_cast<float>(D)); }
};

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % kWarpSize; }
__device__ inline int warp() { return static_cast<int>(threadIdx.x) / kWarpSize; }

// to[i][d] = from[i * stride + d] for i < rows and d < D, and 0 elsewhere.  By the whole block, a
// warp for each row.
template <int kRows, int kStride, typename T>
__device__ void load_rows(float (&to)[kRows][kStride], const T* from, std::int64_t stride,
                          std::int64_t rows, int D) {
  constexpr int kWidth = kStride / kWarpSize * kWarpSize;  // without the padding
  for (int i = warp(); i < kRows; i += kWarps) {
#pragma unroll
    for (int first = 0; first < kWidth; first += kWarpSize) {
      const int d = first + lane();
      to[i][d] = i < rows && d < D ? static_cast<float>(from[i * stride + d]) : 0.0F;
    }
  }
}

// x . y, by a warp; the same bits for each lane.
template <typename T>
__device__ float dot(const T* x, const T* y, int D) {
  float sum = 0.0F;
  for (int d = lane(); d < D; d += kWarpSize) {
    sum = fmaf(static_cast<float>(x[d]), static_cast<float>(y[d]), sum);
  }
  return warp_sum(sum);
}

__device__ inline float4 quad(const float* from) { return *reinterpret_cast<const float4*>(from); }

// products[r] = rows[r] . tile[lane]
template <int kRows, int kWidth>
__device__ void dot_with_tile(float (&products)[kRows], const float (*rows)[kWidth],
                              const float (*tile)[kWidth + kTilePadding]) {
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    products[r] = 0.0F;
  }
#pragma unroll 4
  for (int d = 0; d < kWidth; d += 4) {
    const float4 b = quad(&tile[lane()][d]);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float4 a = quad(&rows[r][d]);
      float sum = products[r];
      sum = fmaf(a.x, b.x, sum);
      sum = fmaf(a.y, b.y, sum);
      sum = fmaf(a.z, b.z, sum);
      sum = fmaf(a.w, b.w, sum);
      products[r] = sum;
    }
  }
}

// gathered[r][c] += sum over i of weights[r][i] tile[i][32 c + lane]
template <int kRows, int kWidth>
__device__ void gather_tile(float (&gathered)[kRows][kWidth / kWarpSize],
                            const float (*weights)[kTile],
                            const float (*tile)[kWidth + kTilePadding]) {
  constexpr int kChannels = kWidth / kWarpSize;
#pragma unroll 2
  for (int i = 0; i < kTile; i += 4) {
    float values[4][kChannels];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) {
        values[k][c] = tile[i + k][c * kWarpSize + lane()];
      }
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float4 w = quad(&weights[r][i]);
#pragma unroll
      for (int c = 0; c < kChannels; ++c) {
        float sum = gathered[r][c];
        sum = fmaf(w.x, values[0][c], sum);
        sum = fmaf(w.y, values[1][c], sum);
        sum = fmaf(w.z, values[2][c], sum);
        sum = fmaf(w.w, values[3][c], sum);
        gathered[r][c] = sum;
      }
    }
  }
}

// to[32 c + lane] = factor row[c] for all channels below D, by a warp.
template <int kChannels, typename T>
__device__ void store_row(T* to, const float (&row)[kChannels], float factor, int D) {
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    const int d = c * kWarpSize + lane();
    if (d < D) {
      to[d] = static_cast<T>(row[c] * factor);
    }
  }
}

}  // namespace kernels
}  // namespace lockflight::ops::cuda
