// What the threads of one launch read and write, from g++'s thread-sanitizer hooks.
//
// Every two bytes of device, pinned and shared memory have a cell, which holds the stamps of the
// last write and of the last reads.  A stamp names a thread and a segment: the piece of a block
// between two __syncthreads.  Blocks run one after the other, so segments are numbered through.
// Two accesses of a launch, one of them a write, are a race if they come from different blocks, or
// from different warps within one segment.  What the lanes of one warp do among themselves is not
// checked.  Accesses to volatile, to single bytes and by atomics race with other kinds only.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "virtual_gpu/simt/abi.h"

namespace simt {

enum class Access { read, write, relaxed_read, relaxed_write };

/// Thrown at an access that would end the process: the launch is given up.
struct Abandoned {};

class Trace {
 public:
  void begin_launch(const Launch& launch, const Host& host);
  void begin_block(Dimensions block);
  /// All threads of the block have passed a barrier.
  void next_segment();
  void run_thread(unsigned thread) {
    thread_ = thread;
    stamp_ = segment_ << kSegmentShift | thread;
  }
  /// Tells the host what was touched.
  void end_launch();

  /// At most 64 bytes.  `aligned`: the compiler took it that the address is a multiple of `bytes`.
  /// Throws Abandoned.
  [[gnu::always_inline]] void access(std::uintptr_t address, unsigned bytes, Access how,
                                     bool aligned) {
    const std::uintptr_t offset = address - host_.memory_begin;
    if (offset < memory_bytes_) [[likely]] {
      touch(offset);
      if (((offset ^ (offset + bytes - 1)) >> kLineShift) != 0) {
        touch(offset + bytes - 1);
      }
      visit(cells_, offset, bytes, how, launch_floor_);
    } else if (address - shared_begin_ < shared_bytes_) {
      visit(shared_cells_, address - shared_begin_, bytes, how, block_floor_);
    } else {
      if (address - stacks_begin_ >= stacks_bytes_) {
        elsewhere(address, bytes, how);
      }
      return;
    }
    if (aligned && (address & (bytes - 1)) != 0) [[unlikely]] {
      misaligned(address, bytes, how);
    }
  }

  /// Reports something that is wrong with the launch: once of each kind.
  void report(const char* kind, const char* format, ...) __attribute__((format(printf, 3, 4)));

 private:
  struct Cell {
    std::uint32_t write, read;
    bool operator==(const Cell&) const = default;
  };
  // A stamp: segment, two flags, thread.
  static constexpr unsigned kSegmentShift = 12;
  static constexpr std::uint32_t kSegmentMask = ~std::uint32_t{0} << kSegmentShift;
  static constexpr std::uint32_t kThreadMask = 0x3ff;
  static constexpr std::uint32_t kWarpMask = 0x3e0;
  static constexpr std::uint32_t kOtherBlock = 0x400;  // reads: by a thread of another block too
  static constexpr std::uint32_t kShared = 0x800;      // reads: by several warps; writes: relaxed
  static constexpr std::uint32_t kLastSegment = (1U << (32 - kSegmentShift)) - 1;
  // A page has 64 lines of 64 bytes, and so a word with one bit for each.
  static constexpr unsigned kPageShift = 12;
  static constexpr unsigned kLineShift = 6;
  static constexpr std::size_t kCellsInPage = (std::size_t{1} << kPageShift) / 2;
  static constexpr std::size_t kCellsInLine = (std::size_t{1} << kLineShift) / 2;

  [[gnu::always_inline]] void visit(Cell* cells, std::uintptr_t offset, unsigned bytes, Access how,
                                    std::uint32_t floor) {
    Cell* const end = cells + (offset + bytes + 1) / 2;
    for (Cell* cell = cells + offset / 2; cell != end;) {
      const Cell before = *cell;
      visit(*cell, how, floor);
      const Cell after = *cell;
      // What was always touched together is alike.
      for (++cell; cell != end && *cell == before; ++cell) {
        *cell = after;
      }
    }
  }
  [[gnu::always_inline]] void visit(Cell& cell, Access how, std::uint32_t floor) {
    switch (how) {
      case Access::read:
        read(cell, floor);
        break;
      case Access::write:
        write(cell, floor);
        break;
      default:
        relaxed(cell, how, floor);
    }
  }
  /// Whether a stamp may be of an access that nothing orders before this one.
  bool suspicious(std::uint32_t stamp, std::uint32_t floor) const {
    return stamp >= floor &&
           (stamp >= (stamp_ & kSegmentMask) ? stamp != stamp_ : stamp < block_floor_);
  }
  [[gnu::always_inline]] void read(Cell& cell, std::uint32_t floor) {
    if (suspicious(cell.write, floor)) {
      check(cell, cell.write, "writes", "reads", floor);
    } else if (cell.write < floor && floor == block_floor_) {
      uninitialised(cell);
    }
    if (cell.read < floor) {
      cell.read = stamp_;
    } else if (cell.read < (stamp_ & kSegmentMask)) {
      cell.read = stamp_ | (cell.read < block_floor_ ? kOtherBlock : cell.read & kOtherBlock);
    } else if (((cell.read ^ stamp_) & kWarpMask) != 0) {
      cell.read |= kShared;
    }
  }
  [[gnu::always_inline]] void write(Cell& cell, std::uint32_t floor) {
    if (suspicious(cell.write, floor)) {
      check(cell, cell.write, "writes", "writes", floor);
    }
    if (suspicious(cell.read, floor) || (cell.read >= floor && (cell.read & kOtherBlock) != 0)) {
      check(cell, cell.read, "reads", "writes", floor);
    }
    cell.write = stamp_;
  }
  void relaxed(Cell& cell, Access how, std::uint32_t floor);
  void check(const Cell& cell, std::uint32_t other, const char* other_does, const char* this_does,
             std::uint32_t floor);
  bool concurrent(std::uint32_t other) const;
  void uninitialised(const Cell& cell);
  void elsewhere(std::uintptr_t address, unsigned bytes, Access how);
  [[noreturn]] void misaligned(std::uintptr_t address, unsigned bytes, Access how);
  void touch(std::uintptr_t offset) {
    std::uint64_t& lines = lines_[offset >> kPageShift];
    if (lines == 0) {
      touched_.push_back(static_cast<std::uint32_t>(offset >> kPageShift));
    }
    lines |= std::uint64_t{1} << (offset >> kLineShift) % 64;
  }
  void map(const Host& host);
  void forget();
  struct Range {  // of cells
    std::size_t begin = 0, end = 0;
  };
  void extend(Range& range, std::size_t cell, bool written);
  void tell(const Range& range, bool written);
  Dimensions block_of(std::uint32_t stamp) const;
  bool in_shared_memory(const Cell& cell) const;

  Host host_{};
  const char* kernel_ = "";
  std::uintptr_t memory_bytes_ = 0;
  Cell* cells_ = nullptr;
  std::uint64_t* lines_ = nullptr;      // by page: those that this launch touched
  std::vector<std::uint32_t> touched_;  // pages that this launch touched
  std::vector<std::uint32_t> dirty_;    // pages with stamps since forget(), some twice

  std::uintptr_t shared_begin_ = 0;
  std::uintptr_t shared_bytes_ = 0;
  Cell* shared_cells_ = nullptr;
  std::uintptr_t stacks_begin_ = 0;
  std::uintptr_t stacks_bytes_ = 0;

  std::uint32_t segment_ = 1;
  std::uint32_t stamp_ = 0;
  std::uint32_t launch_floor_ = 0;  // the first stamp of the launch, and of the block
  std::uint32_t block_floor_ = 0;
  unsigned thread_ = 0;
  bool saturated_ = false;  // segments ran out: no more race is looked for in this launch
  struct FirstSegment {
    std::uint32_t segment;
    Dimensions block;
  };
  std::vector<FirstSegment> blocks_;  // of this launch, ascending
  std::vector<const char*> reported_;
};

extern Trace trace __attribute__((visibility("hidden")));

}  // namespace simt
