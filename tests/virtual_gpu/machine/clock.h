// Vector clocks: what happened before what.
//
// Every stream has a component, which counts its operations.  An operation's clock says how far
// each stream certainly is when the operation runs.  Source: Mattern 1988, Virtual time and global
// states of distributed systems.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace virtual_gpu {

class Clock {
 public:
  std::uint32_t at(std::size_t stream) const { return stream < times_.size() ? times_[stream] : 0; }
  void set(std::size_t stream, std::uint32_t time) {
    grow(stream + 1);
    times_[stream] = time;
  }
  /// Later of both, stream by stream.
  void join(const Clock& other) {
    grow(other.times_.size());
    for (std::size_t i = 0; i < other.times_.size(); ++i) {
      times_[i] = std::max(times_[i], other.times_[i]);
    }
  }

 private:
  void grow(std::size_t streams) {
    if (times_.size() < streams) {
      times_.resize(streams);
    }
  }
  std::vector<std::uint32_t> times_;
};

}  // namespace virtual_gpu
