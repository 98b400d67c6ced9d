#include "virtual_gpu/simt/stacks.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>

namespace simt {

Stacks& stacks() {
  static auto* const all = new Stacks;
  return *all;
}

Stacks::Stacks() {
  void* place = mmap(nullptr, kAllBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) {
    std::perror("virtual gpu: no memory for the stacks of simulated threads");
    std::abort();
  }
  begin_ = reinterpret_cast<std::uintptr_t>(place);
  for (std::size_t i = kCount; i-- > 0;) {
    mprotect(reinterpret_cast<void*>(begin_ + i * kBytes), 4096, PROT_NONE);
    free_.push_back(i);
  }
}

boost::context::stack_context Stacks::allocate() {
  const std::size_t i = free_.back();
  free_.pop_back();
  // Tops at different offsets, so that the threads' frames do not fight for one cache set.
  const std::size_t offset = i * 208 % 16384 & ~std::size_t{63};
  boost::context::stack_context stack;
  stack.size = kBytes - offset;
  stack.sp = reinterpret_cast<void*>(begin_ + (i + 1) * kBytes - offset);
  return stack;
}

void Stacks::deallocate(const boost::context::stack_context& stack) {
  free_.push_back((reinterpret_cast<std::uintptr_t>(stack.sp) - 1 - begin_) / kBytes);
}

}  // namespace simt
