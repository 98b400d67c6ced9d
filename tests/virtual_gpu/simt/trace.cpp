#include "virtual_gpu/simt/trace.h"

#include <algorithm>
#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "virtual_gpu/simt/stacks.h"

// The linker's bounds of this library, and of its variables without an initial value, among which
// all __shared__ arrays are.
extern "C" {
extern char __ehdr_start __attribute__((visibility("hidden")));
extern char __bss_start __attribute__((visibility("hidden")));
extern char _end __attribute__((visibility("hidden")));
}

namespace simt {

Trace trace;

namespace {

// Straight from the kernel: the sanitizers' own mmap would prepare shadow memory for all of it.
void* reserve(std::size_t bytes) {
  const long place = syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  if (place == -1) {
    std::perror("virtual gpu: no address space for tracing");
    std::abort();
  }
  return reinterpret_cast<void*>(place);
}

const char* verb(Access how) {
  return how == Access::read || how == Access::relaxed_read ? "reads" : "writes";
}

std::uintptr_t address_of(const char& symbol) { return reinterpret_cast<std::uintptr_t>(&symbol); }

}  // namespace

void Trace::map(const Host& host) {
  memory_bytes_ = host.memory_end - host.memory_begin;
  cells_ = static_cast<Cell*>(reserve(memory_bytes_ / 2 * sizeof(Cell)));
  lines_ = static_cast<std::uint64_t*>(reserve((memory_bytes_ >> kPageShift) * sizeof(*lines_)));
  shared_begin_ = address_of(__bss_start);
  shared_bytes_ = address_of(_end) - shared_begin_;
  shared_cells_ = static_cast<Cell*>(reserve((shared_bytes_ / 2 + 1) * sizeof(Cell)));
  stacks_begin_ = stacks().begin();
  stacks_bytes_ = Stacks::kAllBytes;
}

void Trace::begin_launch(const Launch& launch, const Host& host) {
  if (cells_ == nullptr) {
    map(host);
  }
  host_ = host;
  kernel_ = launch.kernel->name;
  saturated_ = false;
  if (segment_ > kLastSegment / 2) {
    forget();
  }
  ++segment_;
  launch_floor_ = segment_ << kSegmentShift;
  blocks_.clear();
  reported_.clear();
}

void Trace::begin_block(Dimensions block) {
  next_segment();
  block_floor_ = segment_ << kSegmentShift;
  blocks_.push_back({segment_, block});
}

void Trace::next_segment() {
  if (segment_ == kLastSegment) {
    saturated_ = true;
  } else {
    ++segment_;
  }
  run_thread(thread_);
}

// Segments start anew, so no old stamp may be left.
void Trace::forget() {
  std::ranges::sort(dirty_);
  dirty_.erase(std::unique(dirty_.begin(), dirty_.end()), dirty_.end());
  for (const std::uint32_t page : dirty_) {
    madvise(cells_ + page * kCellsInPage, kCellsInPage * sizeof(Cell), MADV_DONTNEED);
  }
  dirty_.clear();
  std::memset(shared_cells_, 0, (shared_bytes_ / 2 + 1) * sizeof(Cell));
  segment_ = 1;
}

void Trace::end_launch() {
  std::ranges::sort(touched_);
  Range read;
  Range written;
  for (const std::uint32_t page : touched_) {
    for (std::uint64_t lines = lines_[page]; lines != 0; lines &= lines - 1) {
      const std::size_t first = page * kCellsInPage + std::countr_zero(lines) * kCellsInLine;
      for (std::size_t i = first; i < first + kCellsInLine; ++i) {
        if (cells_[i].read >= launch_floor_) {
          extend(read, i, false);
        }
        if (cells_[i].write >= launch_floor_) {
          extend(written, i, true);
        }
      }
    }
    lines_[page] = 0;
  }
  tell(read, false);
  tell(written, true);
  dirty_.insert(dirty_.end(), touched_.begin(), touched_.end());
  touched_.clear();
}

void Trace::extend(Range& range, std::size_t cell, bool written) {
  if (cell != range.end) {
    tell(range, written);
    range.begin = cell;
  }
  range.end = cell + 1;
}

void Trace::tell(const Range& range, bool written) {
  if (range.begin != range.end) {
    host_.touched(host_.context, {.begin = host_.memory_begin + 2 * range.begin,
                                  .end = host_.memory_begin + 2 * range.end,
                                  .written = written});
  }
}

Dimensions Trace::block_of(std::uint32_t stamp) const {
  const auto after = std::ranges::upper_bound(blocks_, stamp >> kSegmentShift, {},
                                              [](const FirstSegment& b) { return b.segment; });
  return after == blocks_.begin() ? Dimensions{} : std::prev(after)->block;
}

bool Trace::concurrent(std::uint32_t other) const {
  if ((other >> kSegmentShift) < (block_floor_ >> kSegmentShift)) {
    return true;  // another block
  }
  if ((other >> kSegmentShift) == segment_) {
    return ((other & kThreadMask) ^ thread_) >= 32;  // another warp
  }
  return false;  // a barrier is in between
}

void Trace::relaxed(Cell& cell, Access how, std::uint32_t floor) {
  const bool plain_write = cell.write >= floor && (cell.write & kShared) == 0;
  if (plain_write && cell.write != stamp_) {
    check(cell, cell.write, "writes", verb(how), floor);
  }
  if (how == Access::relaxed_read) {
    if (cell.write < floor && cell.read < floor) {
      cell.read = stamp_;
    }
    return;
  }
  cell.write = stamp_ | kShared;
}

// `other` is a stamp of this launch, or for shared memory of this block.
void Trace::check(const Cell& cell, std::uint32_t other, const char* other_does,
                  const char* this_does, std::uint32_t floor) {
  const bool is_read = *other_does == 'r';
  const bool race = concurrent(other) || (is_read && (other & kOtherBlock) != 0) ||
                    (is_read && (other & kShared) != 0 && (other >> kSegmentShift) == segment_);
  if (!race || saturated_) {
    return;
  }
  const Dimensions a = block_of(other);
  const Dimensions b = blocks_.back().block;
  const bool shared = floor == block_floor_ && in_shared_memory(cell);
  const std::size_t index = shared ? &cell - shared_cells_ : &cell - cells_;
  report(
      shared ? "shared memory race" : "race in a kernel",
      "thread %u of block (%u, %u, %u) %s and thread %u of block (%u, %u, %u) %s %s %#zx; nothing "
      "orders them: a missing __syncthreads, or two threads that share an element",
      other & kThreadMask, a.x, a.y, a.z, other_does, thread_, b.x, b.y, b.z, this_does,
      shared ? "shared memory at" : "memory at",
      2 * index + (shared ? shared_begin_ : host_.memory_begin));
}

bool Trace::in_shared_memory(const Cell& cell) const {
  return &cell >= shared_cells_ && &cell <= shared_cells_ + shared_bytes_ / 2;
}

void Trace::uninitialised(const Cell& cell) {
  if (in_shared_memory(cell)) {
    const Dimensions block = blocks_.back().block;
    report("uninitialised shared memory",
           "thread %u of block (%u, %u, %u) reads shared memory that no thread of its block wrote",
           thread_, block.x, block.y, block.z);
  }
}

void Trace::elsewhere(std::uintptr_t address, unsigned bytes, Access how) {
  const bool in_library =
      address - address_of(__ehdr_start) < address_of(_end) - address_of(__ehdr_start);
  if (in_library) {
    return;
  }
  const Dimensions block = blocks_.back().block;
  report("host memory in a kernel",
         "thread %u of block (%u, %u, %u) %s %u bytes at %#zx, which is neither device nor pinned "
         "memory",
         thread_, block.x, block.y, block.z, verb(how), bytes, address);
  throw Abandoned();
}

void Trace::misaligned(std::uintptr_t address, unsigned bytes, Access how) {
  const Dimensions block = blocks_.back().block;
  report("misaligned access",
         "thread %u of block (%u, %u, %u) %s %u bytes at %#zx, which is no multiple of %u", thread_,
         block.x, block.y, block.z, verb(how), bytes, address, bytes);
  throw Abandoned();
}

void Trace::report(const char* kind, const char* format, ...) {
  const auto same = [kind](const char* other) { return std::strcmp(kind, other) == 0; };
  if (std::ranges::any_of(reported_, same)) {
    return;
  }
  reported_.push_back(kind);
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  host_.finding(host_.context, kind, text);
}

}  // namespace simt
