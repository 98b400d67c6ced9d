// Pinned host memory, through which bytes go to a device and back without the host waiting.

#pragma once

#include <cstddef>
#include <vector>

namespace lockflight::cuda {

/// Grows as far as one round of copies needs; keeps one chunk for the next round.
class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  /// Memory that is kept until `clear`.  Throws DeviceError if there is none.
  std::byte* take(std::size_t bytes);
  /// Nothing taken so far is in use any more.
  void clear();

 private:
  struct Chunk {
    std::byte* data;
    std::size_t bytes;
    std::size_t used;
  };

  std::vector<Chunk> chunks_;
};

}  // namespace lockflight::cuda
