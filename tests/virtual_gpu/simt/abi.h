// What the virtual machine and a library of emulated kernels know of each other.

#pragma once

#include <cstddef>
#include <cstdint>

namespace simt {

struct Dimensions {
  unsigned x, y, z;
};

/// An emulated kernel.  `name` is the mangled one, under which nvcc registers it too.
struct Kernel {
  const char* name;
  void (*call)(void** arguments);  ///< runs the kernel's body as the current simulated thread
  const std::size_t* sizes;        ///< of the parameters, in bytes
  std::size_t parameters;
};

/// Bytes of device or pinned memory that one launch touched in one way, as long as possible.
struct Touched {
  std::uintptr_t begin, end;
  bool written;
};

/// What the machine offers to a launch.
struct Host {
  std::uintptr_t memory_begin, memory_end;  ///< all addresses of device and pinned memory
  void* context;
  void (*finding)(void* context, const char* kind, const char* text);
  void (*touched)(void* context, const Touched& range);
};

struct Launch {
  const Kernel* kernel;
  Dimensions grid, block;
  void** arguments;
  std::uint64_t order;  ///< of blocks and threads: 0 ascending, others shuffle
};

}  // namespace simt

/// Every library of emulated kernels has these two.
extern "C" {
const simt::Kernel* const* simt_kernels(std::size_t* count);
/// Runs all threads of all blocks; one launch at a time.
void simt_run(const simt::Launch& launch, const simt::Host& host);
}
