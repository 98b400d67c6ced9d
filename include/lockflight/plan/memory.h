// What a rank's memory holds, known before the run.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lockflight {

/// A rank's arena: parameters, gradients and optimizer state, which stay, and one block for
/// everything that a step takes and gives back.
struct RankMemory {
  /// What is alive at the block's peak, by what made it.
  struct Share {
    std::string what;  ///< "stage 2, forwards (5 micro-batches)"
    std::size_t bytes = 0;
  };

  std::size_t parameter_bytes = 0;  ///< with their working copies
  std::size_t gradient_bytes = 0;
  std::size_t optimizer_bytes = 0;  ///< with the copies that take an update back
  std::size_t step_bytes = 0;       ///< of the block
  std::size_t step_peak_bytes = 0;  ///< largest sum of the step's tensors that are alive at once
  std::string peak_action;          ///< where that is: "2B5"
  std::vector<Share> peak_shares;   ///< largest first

  std::size_t arena_bytes() const {
    return parameter_bytes + gradient_bytes + optimizer_bytes + step_bytes;
  }
};

/// "512 B", "1.50 KiB", "80.0 GiB": three digits.
std::string bytes_text(std::size_t bytes);

}  // namespace lockflight
