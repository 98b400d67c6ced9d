// What the environment says about the machine.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace virtual_gpu {

/// How one of several operations that could run is chosen.
struct Order {
  enum class Kind { fifo, lifo, random } kind = Kind::fifo;
  std::uint64_t seed = 0;
};

/// "fifo", "lifo", or a number, which is a seed.  Ends the process at anything else.
Order parse_order(const std::string& text);

struct Config {
  int devices = 8;                            // LOCKFLIGHT_VGPU_DEVICES, 0 to 8
  std::size_t memory = std::size_t{1} << 30;  // LOCKFLIGHT_VGPU_MEMORY, bytes per device
  Order order;                                // LOCKFLIGHT_VGPU_ORDER
  std::string kernels;                        // LOCKFLIGHT_VGPU_KERNELS, paths with : between
  std::chrono::milliseconds patience{2000};   // LOCKFLIGHT_VGPU_PATIENCE_MS: before a deadlock
};

Config read_config();

}  // namespace virtual_gpu
