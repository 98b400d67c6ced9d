// What g++ and clang call at every access of code that is compiled with -fsanitize=thread.  These
// take the place of ThreadSanitizer's run-time library, which is not linked to emulated kernels.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "virtual_gpu/simt/trace.h"

namespace {

constexpr std::size_t kPiece = 64;

void in_pieces(const void* place, std::size_t bytes, simt::Access how) {
  const auto begin = reinterpret_cast<std::uintptr_t>(place);
  for (std::size_t done = 0; done < bytes; done += kPiece) {
    simt::trace.access(begin + done,
                       static_cast<unsigned>(std::min<std::size_t>(bytes - done, kPiece)), how,
                       false);
  }
}

void in_pieces_if_traced(const void* place, std::size_t bytes, simt::Access how) {
  if (simt::trace.covers(reinterpret_cast<std::uintptr_t>(place))) {
    in_pieces(place, bytes, how);
  }
}

}  // namespace

extern "C" {

void __tsan_init() {}

#define LOCKFLIGHT_HOOK(name, bytes, how, aligned)                                        \
  void __tsan_##name##bytes(void* place) {                                                \
    simt::trace.access(reinterpret_cast<std::uintptr_t>(place), bytes, simt::Access::how, \
                       aligned);                                                          \
  }
#define LOCKFLIGHT_HOOKS(bytes, relaxed)                         \
  LOCKFLIGHT_HOOK(read, bytes, relaxed##read, true)              \
  LOCKFLIGHT_HOOK(write, bytes, relaxed##write, true)            \
  LOCKFLIGHT_HOOK(unaligned_read, bytes, relaxed##read, false)   \
  LOCKFLIGHT_HOOK(unaligned_write, bytes, relaxed##write, false) \
  LOCKFLIGHT_HOOK(volatile_read, bytes, relaxed_read, true)      \
  LOCKFLIGHT_HOOK(volatile_write, bytes, relaxed_write, true)
LOCKFLIGHT_HOOKS(1, relaxed_)
LOCKFLIGHT_HOOKS(2, )
LOCKFLIGHT_HOOKS(4, )
LOCKFLIGHT_HOOKS(8, )
LOCKFLIGHT_HOOKS(16, )

void __tsan_read_range(void* place, std::size_t bytes) {
  in_pieces(place, bytes, simt::Access::read);
}
void __tsan_write_range(void* place, std::size_t bytes) {
  in_pieces(place, bytes, simt::Access::write);
}
void __tsan_vptr_update(void*, void*) {}

// g++ makes calls of these out of loops and of large values, and has no hooks for them.  The linker
// puts the wrappers in their place (--wrap).
void* __real_memcpy(void* to, const void* from, std::size_t bytes);
void* __real_memmove(void* to, const void* from, std::size_t bytes);
void* __real_memset(void* to, int value, std::size_t bytes);

void* __wrap_memcpy(void* to, const void* from, std::size_t bytes) {
  in_pieces_if_traced(from, bytes, simt::Access::read);
  in_pieces_if_traced(to, bytes, simt::Access::write);
  return __real_memcpy(to, from, bytes);
}
void* __wrap_memmove(void* to, const void* from, std::size_t bytes) {
  in_pieces_if_traced(from, bytes, simt::Access::read);
  in_pieces_if_traced(to, bytes, simt::Access::write);
  return __real_memmove(to, from, bytes);
}
void* __wrap_memset(void* to, int value, std::size_t bytes) {
  in_pieces_if_traced(to, bytes, simt::Access::write);
  return __real_memset(to, value, bytes);
}

}  // extern "C"
