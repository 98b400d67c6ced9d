// What all CPU kernels share.
//
// A kernel computes on f32, dense and row-major, trusts its arguments, and cuts its work by shape
// alone: every element is computed by one thread in one order, so its bits do not depend on the
// size of the team nor on alignment. Activations may be bf16: those are `Values` (tile.h),
// everything else is a plain pointer. Symbols: B sequences, T positions, C channels, H heads, D = C
// / H channels per head, V vocabulary.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "device/cpu/team.h"
#include "ops/cpu/tile.h"

namespace lockflight::ops::cpu {

using lockflight::cpu::Team;

struct MatrixShape {
  std::int64_t rows;
  std::int64_t columns;

  constexpr std::int64_t elements() const { return rows * columns; }
};

constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Elements per piece of an elementwise operation: 64 KiB, small beside a level-2 cache.
constexpr std::int64_t kElementsPerPiece = 16384;

/// Rows per piece of an operation on rows: about kElementsPerPiece elements.
constexpr std::int64_t rows_per_piece(MatrixShape shape) {
  return std::max<std::int64_t>(1, kElementsPerPiece / std::max<std::int64_t>(1, shape.columns));
}

/// Calls body(begin, end) for pieces of at most `size` that together are 0 … count - 1.
template <class Body>
void for_each_piece(Team& team, std::int64_t count, std::int64_t size, const Body& body) {
  team.parallel_for(ceil_divide(count, size), [&](std::int64_t piece) {
    body(piece * size, std::min(count, (piece + 1) * size));
  });
}

/// How many scratch buffers a thread has: number 0 for what a kernel needs, the others for its
/// tile.
constexpr std::size_t kScratchBuffers = 1 + Tile::kMost;

/// At least this many floats, 64-byte aligned, of this thread, valid until its next call here for
/// the same buffer.  Grows when needed, so the steady state allocates nothing.
std::span<float> thread_scratch(std::int64_t count, std::size_t buffer = 0);

}  // namespace lockflight::ops::cpu
