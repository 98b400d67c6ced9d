// What device code asks of the emulation, beneath the words of CUDA.

#pragma once

#include <cstddef>
#include <cstdint>

#include "virtual_gpu/simt/abi.h"

namespace simt {

/// Which simulated thread runs.
struct Position {
  Dimensions thread, block, block_size, grid_size;
};
extern Position position __attribute__((visibility("hidden")));

enum class Exchange { from_lane, up, down, by_xor };

// `line` is the caller's: threads that meet at different lines have diverged.
void barrier(int line);
void warp_barrier(unsigned mask, int line);
std::uint64_t exchange(unsigned mask, std::uint64_t bits, Exchange kind, int lane, int width,
                       int line);
unsigned vote(unsigned mask, bool value, int line);

/// Stores change(old, operand, compare) and returns the old value.
std::uint64_t atomic(void* place, std::size_t bytes, std::uint64_t operand, std::uint64_t compare,
                     std::uint64_t (*change)(std::uint64_t old, std::uint64_t operand,
                                             std::uint64_t compare));

/// Gives the kernel the name under which `function` is exported.
void register_kernel(Kernel* kernel, const void* function);

}  // namespace simt
