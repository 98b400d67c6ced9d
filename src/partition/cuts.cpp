#include "partition/cuts.h"

#include <algorithm>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::partition {

Cuts::Cuts(const Problem& problem) {
  const int layers = static_cast<int>(problem.layers.size());
  const int stages = problem.stages();
  allowed_.assign(layers + 1, 1);
  for (const int layer : problem.together) {
    allowed_[layer + 1] = 0;
  }
  lowest_.assign(stages + 1, 0);
  highest_.assign(stages + 1, layers);
  highest_[0] = 0;
  lowest_[stages] = layers;
  for (const Pin& pin : problem.pins) {
    highest_[pin.stage] = std::min(highest_[pin.stage], pin.layer);
    lowest_[pin.stage + 1] = std::max(lowest_[pin.stage + 1], pin.layer + 1);
  }
  for (int s = 1; s <= stages; ++s) {
    int& low = lowest_[s];
    low = std::min(std::max(low, lowest_[s - 1] + 1), layers);
    while (!allowed_[low]) {
      ++low;
    }
  }
  for (int s = stages - 1; s >= 0; --s) {
    int& high = highest_[s];
    high = std::max(std::min(high, highest_[s + 1] - 1), 0);
    while (!allowed_[high]) {
      --high;
    }
  }
  for (int s = stages; s >= 0; --s) {
    if (lowest_[s] > highest_[s]) {
      throw InvalidArgument(fmt::format(
          "the constraints contradict each other: stage {} cannot begin before layer {} because of "
          "those on the layers and stages in front, nor after layer {} because of those on it and "
          "the ones behind",
          s, lowest_[s], highest_[s]));
    }
  }
}

}  // namespace lockflight::partition
