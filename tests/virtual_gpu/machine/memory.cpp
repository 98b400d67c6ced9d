#include "virtual_gpu/machine/memory.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace virtual_gpu {
namespace {

// The one region of addresses that is free in plain processes and that AddressSanitizer and
// ThreadSanitizer allow too.
constexpr std::uintptr_t kBase = 0x7e9000000000;
constexpr std::size_t kLeastStride = std::size_t{1} << 32;
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kRedZone = 256;
constexpr int kFreshByte = 0xff;  // NaN in all floating-point types
constexpr int kFreedByte = 0xfe;
constexpr int kRedByte = 0xfd;

std::size_t room_of(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment + kRedZone;
}

unsigned char* at(std::uintptr_t address) { return reinterpret_cast<unsigned char*>(address); }

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSheet = std::size_t{1} << 21;

// A file in memory full of kFreshByte.
int sheet() {
  static const int file = [] {
    const int made = static_cast<int>(syscall(SYS_memfd_create, "fresh", 0));
    const std::vector<unsigned char> bytes(kSheet, kFreshByte);
    if (made < 0 || write(made, bytes.data(), bytes.size()) != static_cast<ssize_t>(kSheet)) {
      std::perror("virtual gpu: memfd_create");
      std::abort();
    }
    return made;
  }();
  return file;
}

// Fills with `byte`.  The pages of large pieces are not written but mapped, so that they take
// memory only when the program writes to them; they read as fresh whatever `byte` is.
void fill(std::uintptr_t begin, std::size_t bytes, int byte) {
  if (bytes < kSheet) {
    std::memset(at(begin), byte, bytes);
    return;
  }
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const std::uintptr_t last = (begin + bytes) / kPage * kPage;
  std::memset(at(begin), byte, first - begin);
  std::memset(at(last), byte, begin + bytes - last);
  for (std::uintptr_t piece = first; piece < last; piece += kSheet) {
    syscall(SYS_mmap, piece, std::min(kSheet, last - piece), PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, sheet(), 0L);
  }
}

}  // namespace

Memory::Memory(int devices, std::size_t bytes_per_device)
    : base_(kBase),
      stride_(std::max(kLeastStride, std::bit_ceil(2 * bytes_per_device))),
      limit_(bytes_per_device),
      most_(bytes_per_device),
      spaces_(kPinned + 1) {
  // Straight from the kernel: the sanitizers' own mmap would prepare shadow memory for all of it.
  const long place =
      syscall(SYS_mmap, base_, end() - base_, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0L);
  if (static_cast<std::uintptr_t>(place) != base_) {
    std::perror("virtual gpu: the addresses of device memory are taken");
    std::abort();
  }
  for (int number = 0; number <= kPinned; ++number) {
    if (number < devices || number == kPinned) {
      spaces_[number].fresh = base_ + number * stride_ + kRedZone;
      spaces_[number].end = base_ + (number + 1) * stride_;
    }
  }
}

void Memory::set_limit(std::size_t bytes) { limit_ = std::min(bytes, most_); }

void* Memory::allocate(int number, std::size_t bytes) {
  Space& space = spaces_.at(number);
  if (number != kPinned && (bytes > limit_ || space.used > limit_ - bytes)) {
    return nullptr;
  }
  const std::uintptr_t begin = place(space, room_of(bytes));
  if (begin == 0) {
    return nullptr;
  }
  space.alive[begin] = bytes;
  space.used += bytes;
  fill(begin, bytes, kFreshByte);
  std::memset(at(begin + bytes), kRedByte, room_of(bytes) - bytes);
  return at(begin);
}

// Fresh addresses while there are any, so that late uses of freed memory are seen as such.
std::uintptr_t Memory::place(Space& space, std::size_t room) {
  if (room <= space.end - space.fresh) {
    const std::uintptr_t begin = space.fresh;
    space.fresh += room;
    return begin;
  }
  const std::uintptr_t begin = reuse(space, room);
  if (begin != 0) {
    return begin;
  }
  join_freed(space);
  return reuse(space, room);
}

std::uintptr_t Memory::reuse(Space& space, std::size_t room) {
  for (auto it = space.freed.begin(); it != space.freed.end(); ++it) {
    const std::size_t all = room_of(it->second);
    if (all >= room) {
      const std::uintptr_t begin = it->first;
      space.freed.erase(it);
      if (all - room > kRedZone) {
        space.freed[begin + room] = all - room - kRedZone;
      }
      return begin;
    }
  }
  return 0;
}

// Neighbours become one.
void Memory::join_freed(Space& space) {
  for (auto it = space.freed.begin(); it != space.freed.end(); ++it) {
    std::size_t all = room_of(it->second);
    for (auto next = std::next(it); next != space.freed.end() && next->first == it->first + all;
         next = space.freed.erase(next)) {
      all += room_of(next->second);
    }
    it->second = all - kRedZone;
  }
}

bool Memory::release(int number, void* pointer, std::string* damage) {
  Space& space = spaces_.at(number);
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
  const auto found = space.alive.find(begin);
  if (found == space.alive.end()) {
    return false;
  }
  const std::size_t bytes = found->second;
  const unsigned char* red = at(begin + bytes);
  const unsigned char* red_end = at(begin + room_of(bytes));
  const auto* written = std::find_if(red, red_end, [](unsigned char b) { return b != kRedByte; });
  if (written != red_end) {
    *damage = fmt::format("the byte {} past the end of the {} bytes at {:#x} was written to",
                          written - red, bytes, begin);
  }
  fill(begin, bytes, kFreedByte);
  space.used -= bytes;
  space.alive.erase(found);
  space.freed[begin] = bytes;
  return true;
}

void Memory::clear(int number) {
  std::string damage;
  for (const Allocation& allocation : alive(number)) {
    release(number, at(allocation.begin), &damage);
  }
}

int Memory::space_of(const void* address) const {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  if (value < begin() || value >= end()) {
    return kNowhere;
  }
  return static_cast<int>((value - base_) / stride_);
}

std::optional<Memory::Allocation> Memory::find(const void* address) const {
  const int number = space_of(address);
  if (number == kNowhere) {
    return {};
  }
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  const auto& alive = spaces_[number].alive;
  const auto after = alive.upper_bound(value);
  if (after == alive.begin()) {
    return {};
  }
  const auto [first, bytes] = *std::prev(after);
  if (value >= first + bytes) {
    return {};
  }
  return Allocation{first, bytes};
}

std::optional<Memory::Trouble> Memory::trouble(std::uintptr_t first, std::uintptr_t last) const {
  const auto living = find(at(first));
  if (living && last <= living->begin + (living->bytes + 1) / 2 * 2) {
    return {};
  }
  if (living) {
    return Trouble{"out of bounds",
                   fmt::format("{} bytes past the end of the {} bytes at {:#x}",
                               last - living->begin - living->bytes, living->bytes, living->begin)};
  }
  const Space& space = spaces_[space_of(at(first))];
  auto freed = space.freed.upper_bound(first);
  if (freed != space.freed.begin() && first < std::prev(freed)->first + std::prev(freed)->second) {
    freed = std::prev(freed);
    return Trouble{"use after free", fmt::format("in the {} bytes at {:#x}, which were freed",
                                                 freed->second, freed->first)};
  }
  const auto after = space.alive.upper_bound(first);
  if (after == space.alive.begin()) {
    return Trouble{"out of bounds", "in memory that was never allocated"};
  }
  const auto [begin, bytes] = *std::prev(after);
  return Trouble{"out of bounds", fmt::format("from byte {} on, of the {} bytes at {:#x}",
                                              first - begin, bytes, begin)};
}

void Memory::mend(const void* address) {
  if (const auto damaged = find(address)) {
    std::memset(at(damaged->begin + damaged->bytes), kRedByte,
                room_of(damaged->bytes) - damaged->bytes);
  }
}

std::string Memory::name(int space) {
  return space == kPinned ? "pinned memory" : fmt::format("device {}", space);
}

std::vector<Memory::Allocation> Memory::alive(int space) const {
  std::vector<Allocation> all;
  for (const auto& [begin, bytes] : spaces_.at(space).alive) {
    all.push_back({begin, bytes});
  }
  return all;
}

}  // namespace virtual_gpu
