// Where stages may begin under the constraints of a problem.

#pragma once

#include <vector>

#include "lockflight/partition/problem.h"

namespace lockflight::partition {

/// Cut s is the first layer of stage s; cut 0 is 0, and the cut behind the last stage is the number
/// of layers.
class Cuts {
 public:
  /// Throws InvalidArgument if the constraints leave no partition.
  explicit Cuts(const Problem& problem);

  /// Whether any stage may begin at this layer.
  bool allowed(int layer) const { return allowed_[layer]; }
  /// Bounds of cut `stage`. A cut within them and allowed is part of a partition that keeps the
  /// constraints.
  int lowest(int stage) const { return lowest_[stage]; }
  int highest(int stage) const { return highest_[stage]; }

 private:
  std::vector<char> allowed_;
  std::vector<int> lowest_;
  std::vector<int> highest_;
};

}  // namespace lockflight::partition
