#include "lockflight/schedule/interleaved.h"

#include <cstddef>
#include <vector>

#include "schedule/generate.h"
#include "schedule/interleave.h"

namespace lockflight::schedule {

Schedule interleaved(PipelineSize size) {
  size = checked("interleaved", size);
  const std::vector<Group> groups = groups_of("interleaved", size);
  return in_loop_placement("interleaved", size, [&](int rank) {
    const int warm_up = (size.stages_per_rank - 1) * largest(groups) + 2 * (size.ranks - 1 - rank);
    return alternate(by_groups(ActionKind::forward, rank, size, groups),
                     by_groups(ActionKind::backward, rank, size, groups),
                     static_cast<std::size_t>(warm_up));
  });
}

}  // namespace lockflight::schedule
