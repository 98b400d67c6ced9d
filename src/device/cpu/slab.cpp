#include "device/cpu/slab.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>

#include "lockflight/core/error.h"

namespace lockflight::cpu {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPage = 4096;

// Maps one huge page more than asked for and gives back what lies before and after the aligned
// part.
std::byte* map_aligned(std::size_t bytes) {
  void* mapped = ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    throw DeviceError(
        fmt::format("cpu: the system has no {} MiB of memory for an arena: {}; use a "
                    "smaller model or micro-batch, or more ranks",
                    bytes >> 20, std::strerror(errno)));
  }
  auto* begin = static_cast<std::byte*>(mapped);
  const std::size_t before =
      (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before != 0) {
    ::munmap(begin, before);
  }
  if (before != kHugePage) {
    ::munmap(begin + before + bytes, kHugePage - before);
  }
  return begin + before;
}

std::byte* take(std::size_t bytes) {
  std::byte* data = map_aligned(bytes);
  ::madvise(data, bytes, MADV_HUGEPAGE);  // without it the arena is slower, not wrong
  for (std::size_t offset = 0; offset < bytes; offset += kPage) {
    data[offset] = std::byte{0};
  }
  return data;
}

}  // namespace

SlabSource huge_page_slabs() {
  return {.take = take,
          .give_back = [](std::byte* data, std::size_t bytes) { ::munmap(data, bytes); }};
}

}  // namespace lockflight::cpu
