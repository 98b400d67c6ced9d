// Pinned host memory, through which bytes go to a device and back without the host waiting.

#pragma once

#include <cstddef>
#include <vector>

namespace lockflight::cuda {

/// Grows as far as one round of copies needs.  Up to `kKeptBytes` stay for the next round, so that
/// a step asks for memory once; what the parameters of a large model took goes back.
class Staging {
 public:
  static constexpr std::size_t kKeptBytes = std::size_t{64} << 20;

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
  };

  void add(std::size_t bytes);
  void keep(std::size_t chunks);

  // The chunks in front of the current one are full, or too small for what was asked for.
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;  // of the current one
};

}  // namespace lockflight::cuda
