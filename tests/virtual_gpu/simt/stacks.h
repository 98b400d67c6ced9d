// The stacks of simulated threads, in one piece of memory so that an address on them is known.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <boost/context/stack_context.hpp>

namespace simt {

/// An allocator of Boost.Context.
class Stacks {
 public:
  static constexpr std::size_t kMostThreads = 1024;
  static constexpr std::size_t kBytes = 128 * 1024;
  static constexpr std::size_t kCount = kMostThreads + 1;  // one more may be idle
  static constexpr std::size_t kAllBytes = kBytes * kCount;

  Stacks();
  boost::context::stack_context allocate();
  void deallocate(const boost::context::stack_context& stack);
  std::uintptr_t begin() const { return begin_; }

 private:
  std::uintptr_t begin_;
  std::vector<std::size_t> free_;
};

Stacks& stacks();

/// What fibers copy.
struct StackSource {
  boost::context::stack_context allocate() { return stacks().allocate(); }
  void deallocate(const boost::context::stack_context& stack) { stacks().deallocate(stack); }
};

}  // namespace simt
