// In which order threads and blocks are run.

#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>

#include "virtual_gpu/simt/abi.h"

namespace simt {

/// The k-th of n, in one of several orders; order 0 is ascending.
inline std::size_t nth(std::size_t k, std::size_t n, std::uint64_t order) {
  if (order == 0) {
    return k;
  }
  std::size_t stride = order * 0x9e3779b97f4a7c15 >> 33;
  stride = stride % n + 1;
  while (std::gcd(stride, n) != 1) {
    ++stride;
  }
  return (k * stride + order % n) % n;
}

/// Coordinates of the i-th element, x running fastest.
inline Dimensions unravel(std::size_t i, Dimensions size) {
  return {.x = static_cast<unsigned>(i % size.x),
          .y = static_cast<unsigned>(i / size.x % size.y),
          .z = static_cast<unsigned>(i / size.x / size.y)};
}

}  // namespace simt
