// The library's entry points, and what device code calls.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <dlfcn.h>

#include "virtual_gpu/simt/block.h"
#include "virtual_gpu/simt/device.h"
#include "virtual_gpu/simt/trace.h"
#include "virtual_gpu/simt/walk.h"

namespace simt {
namespace {

// Never destroyed: fibers must not be unwound when the process ends.
Block& block = *new Block;

std::vector<const Kernel*>& kernels() {
  static std::vector<const Kernel*> all;
  return all;
}

}  // namespace

void barrier(int line) { block.barrier(line); }

void warp_barrier(unsigned mask, int line) { block.warp_barrier(mask, line); }

std::uint64_t exchange(unsigned mask, std::uint64_t bits, Exchange kind, int lane, int width,
                       int line) {
  return block.exchange(mask, bits, kind, lane, width, line);
}

unsigned vote(unsigned mask, bool value, int line) { return block.vote(mask, value, line); }

std::uint64_t atomic(void* place, std::size_t bytes, std::uint64_t operand, std::uint64_t compare,
                     std::uint64_t (*change)(std::uint64_t old, std::uint64_t operand,
                                             std::uint64_t compare)) {
  trace.access(reinterpret_cast<std::uintptr_t>(place), static_cast<unsigned>(bytes),
               Access::relaxed_write, true);
  if (bytes == sizeof(std::uint32_t)) {
    auto* word = static_cast<std::uint32_t*>(place);
    const std::uint32_t old = *word;
    *word = static_cast<std::uint32_t>(change(old, operand, compare));
    return old;
  }
  auto* word = static_cast<std::uint64_t*>(place);
  const std::uint64_t old = *word;
  *word = change(old, operand, compare);
  return old;
}

void register_kernel(Kernel* kernel, const void* function) {
  Dl_info info;
  if (dladdr(function, &info) == 0 || info.dli_saddr != function) {
    std::fprintf(
        stderr,
        "virtual gpu: a kernel is not exported; kernels live in a namespace called kernels\n");
    std::abort();
  }
  kernel->name = info.dli_sname;
  kernels().push_back(kernel);
}

}  // namespace simt

const simt::Kernel* const* simt_kernels(std::size_t* count) {
  *count = simt::kernels().size();
  return simt::kernels().data();
}

void simt_run(const simt::Launch& launch, const simt::Host& host) {
  using simt::trace;
  simt::position.block_size = launch.block;
  simt::position.grid_size = launch.grid;
  trace.begin_launch(host);
  simt::block.prepare(launch);
  const std::size_t blocks = std::size_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  for (std::size_t k = 0; k < blocks; ++k) {
    const simt::Dimensions index = simt::unravel(simt::nth(k, blocks, launch.order), launch.grid);
    trace.begin_block(index);
    if (!simt::block.run(index)) {
      break;
    }
  }
  trace.end_launch();
}
