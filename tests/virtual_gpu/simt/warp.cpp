// What the lanes of a warp do together.

#include <bit>

#include "virtual_gpu/simt/block.h"
#include "virtual_gpu/simt/trace.h"

namespace simt {

void Block::release_warp(unsigned warp) {
  Warp& w = warps_[warp];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned thread = 32 * warp + lane;
    if ((w.arrived >> lane & 1) != 0 && threads_[thread].state == State::in_warp) {
      threads_[thread].state = State::released;
      released_.push_back(thread);
    }
  }
  w.arrived = 0;
  w.operation = Operation::none;
  ++w.round;
}

// Waits until all lanes of the mask have come.  Returns which of the two rounds holds what they
// brought.
unsigned Block::meet(unsigned mask, std::uint64_t bits, Operation operation, int line) {
  const unsigned warp = current_ / 32;
  const unsigned lane = current_ % 32;
  Warp& w = warps_[warp];
  mask &= w.lanes;
  check_meeting(w, mask, operation, line);
  mask &= ~w.done;
  if (w.arrived == 0) {
    w.mask = mask;
    w.operation = operation;
    w.line = line;
  }
  const unsigned round = w.round % 2;
  w.values[round][lane] = bits;
  w.masks[round] = w.mask;
  w.arrived |= 1U << lane;
  if (w.arrived == w.mask) {
    release_warp(warp);
  } else {
    wait(State::in_warp, line);
  }
  return round;
}

void Block::leave_warp(unsigned thread) {
  Warp& w = warps_[thread / 32];
  const unsigned lane = 1U << thread % 32;
  w.done |= lane;
  if (w.arrived != 0 && (w.mask & lane) != 0) {
    trace.report("divergent warp",
                 "thread %u leaves the kernel while its warp waits for it at line %d", thread,
                 w.line);
    w.mask &= ~lane;
    if (w.arrived == w.mask) {
      release_warp(thread / 32);
    }
  }
}

void Block::check_meeting(const Warp& warp, unsigned mask, Operation operation, int line) const {
  if ((mask >> current_ % 32 & 1) == 0) {
    trace.report("divergent warp", "thread %u is not in its own mask %08x (line %d)", current_,
                 mask, line);
  }
  if ((mask & warp.done) != 0) {
    trace.report("divergent warp",
                 "thread %u waits at line %d for lanes %08x, which have left the kernel", current_,
                 line, mask & warp.done);
  }
  if (warp.arrived != 0 &&
      (warp.mask != (mask & ~warp.done) || warp.operation != operation || warp.line != line)) {
    trace.report("divergent warp",
                 "thread %u is at line %d with mask %08x, others of its warp are at line %d with "
                 "mask %08x",
                 current_, line, mask, warp.line, warp.mask);
  }
}

void Block::warp_barrier(unsigned mask, int line) { meet(mask, 0, Operation::barrier, line); }

std::uint64_t Block::exchange(unsigned mask, std::uint64_t bits, Exchange kind, int lane, int width,
                              int line) {
  const unsigned round = meet(mask, bits, Operation::exchange, line);
  const Warp& w = warps_[current_ / 32];
  const int me = static_cast<int>(current_ % 32);
  const int first = me & ~(width - 1);
  int from = me;
  switch (kind) {
    case Exchange::from_lane:
      from = first + (lane & (width - 1));
      break;
    case Exchange::up:
      from = me - lane;
      break;
    case Exchange::down:
      from = me + lane;
      break;
    case Exchange::by_xor:
      from = me ^ lane;
      break;
  }
  if (from < first || from >= first + width) {
    return bits;
  }
  if ((w.masks[round] >> from & 1) == 0) {
    trace.report("divergent warp",
                 "thread %u reads the value of lane %d, which takes no part (line %d)", current_,
                 from, line);
    return ~std::uint64_t{0};
  }
  return w.values[round][from];
}

unsigned Block::vote(unsigned mask, bool value, int line) {
  const unsigned round = meet(mask, value ? 1 : 0, Operation::vote, line);
  const Warp& w = warps_[current_ / 32];
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((w.masks[round] >> lane & 1) != 0 && w.values[round][lane] != 0) {
      votes |= 1U << lane;
    }
  }
  return votes;
}

}  // namespace simt
