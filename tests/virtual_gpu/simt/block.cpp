#include "virtual_gpu/simt/block.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "virtual_gpu/simt/stacks.h"
#include "virtual_gpu/simt/trace.h"
#include "virtual_gpu/simt/walk.h"

namespace simt {

Position position;

void Block::prepare(const Launch& launch) {
  launch_ = launch;
  const Dimensions size = launch.block;
  threads_.resize(std::size_t{size.x} * size.y * size.z);
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    threads_[i].index = unravel(i, size);
  }
  warps_.resize((threads_.size() + 31) / 32);
}

bool Block::run(Dimensions index) {
  position.block = index;
  started_ = finished_ = at_barrier_ = 0;
  for (Thread& thread : threads_) {
    thread.state = State::fresh;
  }
  for (std::size_t i = 0; i < warps_.size(); ++i) {
    const std::size_t lanes = std::min<std::size_t>(threads_.size() - 32 * i, 32);
    warps_[i] = Warp{.lanes = ~0U >> (32 - lanes)};
  }
  while (finished_ < threads_.size()) {
    boost::context::fiber fiber = next();
    if (!fiber) {
      report_hang();
      return give_up();
    }
    current_is_idle_ = false;
    fiber = std::move(fiber).resume();
    if (current_is_idle_) {
      idle_.push_back(std::move(fiber));
    } else {
      threads_[current_].context = std::move(fiber);
    }
    if (abandoned_) {
      return give_up();
    }
  }
  return true;
}

// Unwinds the threads that wait.
bool Block::give_up() {
  threads_.clear();
  released_.clear();
  abandoned_ = false;
  return false;
}

// Threads that were released come before new ones.  Empty: nobody can go on.
boost::context::fiber Block::next() {
  if (!released_.empty()) {
    const unsigned thread = released_.front();
    released_.pop_front();
    make_current(thread);
    return std::move(threads_[thread].context);
  }
  if (started_ == threads_.size()) {
    return {};
  }
  if (idle_.empty()) {
    return make_fiber();
  }
  boost::context::fiber fiber = std::move(idle_.back());
  idle_.pop_back();
  return fiber;
}

boost::context::fiber Block::make_fiber() {
  return boost::context::fiber(std::allocator_arg, StackSource(),
                               [this](boost::context::fiber&& scheduler) {
                                 scheduler_ = std::move(scheduler);
                                 for (;;) {
                                   work();
                                   current_is_idle_ = true;
                                   scheduler_ = std::move(scheduler_).resume();
                                 }
                                 return boost::context::fiber();
                               });
}

// Runs fresh threads until there is none, or until others were released.
void Block::work() {
  while (started_ < threads_.size()) {
    const auto thread = static_cast<unsigned>(nth(started_++, threads_.size(), launch_.order));
    make_current(thread);
    try {
      launch_.kernel->call(launch_.arguments);
    } catch (const Abandoned&) {
      abandoned_ = true;
      return;
    }
    finish(current_);
    if (!released_.empty()) {
      return;
    }
  }
}

void Block::make_current(unsigned thread) {
  current_ = thread;
  threads_[thread].state = State::running;
  position.thread = threads_[thread].index;
  trace.run_thread(thread);
}

void Block::wait(State state, int line) {
  const unsigned thread = current_;
  threads_[thread].state = state;
  threads_[thread].line = line;
  scheduler_ = std::move(scheduler_).resume();
}

void Block::finish(unsigned thread) {
  threads_[thread].state = State::done;
  ++finished_;
  leave_warp(thread);
  if (at_barrier_ > 0 && at_barrier_ + finished_ == threads_.size()) {
    release_barrier();
  }
}

void Block::release_barrier() {
  at_barrier_ = 0;
  trace.next_segment();
  for (std::size_t k = 0; k < threads_.size(); ++k) {
    const auto i = static_cast<unsigned>(nth(k, threads_.size(), launch_.order));
    if (threads_[i].state == State::at_barrier) {
      threads_[i].state = State::released;
      released_.push_back(i);
    }
  }
}

void Block::barrier(int line) {
  if (at_barrier_ > 0) {
    const auto waiting = std::ranges::find(threads_, State::at_barrier, &Thread::state);
    if (waiting->line != line) {
      trace.report("divergent barrier",
                   "thread %zu of block (%u, %u, %u) waits at the __syncthreads of line %d, thread "
                   "%u at that of line %d",
                   static_cast<std::size_t>(waiting - threads_.begin()), position.block.x,
                   position.block.y, position.block.z, waiting->line, current_, line);
    }
  }
  ++at_barrier_;
  if (at_barrier_ + finished_ == threads_.size()) {
    release_barrier();
    return;
  }
  wait(State::at_barrier, line);
}

void Block::report_hang() {
  const auto barrier = std::ranges::find(threads_, State::at_barrier, &Thread::state);
  const auto warp = std::ranges::find(threads_, State::in_warp, &Thread::state);
  const auto in_warps = std::ranges::count(threads_, State::in_warp, &Thread::state);
  trace.report("hang in a kernel",
               "in block (%u, %u, %u) %u threads wait at __syncthreads (line %d), %td for their "
               "warp (line %d), and %u have left the kernel",
               position.block.x, position.block.y, position.block.z, at_barrier_,
               barrier == threads_.end() ? 0 : barrier->line, in_warps,
               warp == threads_.end() ? 0 : warp->line, finished_);
}

}  // namespace simt
