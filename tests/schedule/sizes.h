// Sizes of pipelines over which what holds for every schedule is checked.

#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "lockflight/schedule/registry.h"

namespace lockflight::schedule {

/// The numbers of stages per rank, up to a largest, that a schedule takes.
inline std::vector<int> stages_per_rank_of(const ScheduleInfo& info, int most) {
  std::vector<int> stages = {info.usual_stages_per_rank()};
  for (int v = 2; info.several_stages && v <= most; ++v) {
    stages.push_back(v);
  }
  return stages;
}

/// Every size of up to that many ranks and stages per rank and of one of those numbers of
/// micro-batches that a schedule takes.
inline std::vector<PipelineSize> sizes_of(const ScheduleInfo& info, int most_ranks,
                                          std::span<const int> micro_batches, int most_stages) {
  std::vector<PipelineSize> sizes;
  for (int p = 1; p <= most_ranks; ++p) {
    for (const int m : micro_batches) {
      for (const int v : stages_per_rank_of(info, most_stages)) {
        if (info.takes(p, m)) {
          sizes.push_back({.ranks = p, .micro_batches = m, .stages_per_rank = v});
        }
      }
    }
  }
  return sizes;
}

}  // namespace lockflight::schedule
