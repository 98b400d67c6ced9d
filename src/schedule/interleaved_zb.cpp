#include "lockflight/schedule/interleaved_zb.h"

#include <cstddef>
#include <vector>

#include "schedule/generate.h"
#include "schedule/interleave.h"

namespace lockflight::schedule {

Schedule interleaved_zb(PipelineSize size) {
  size = checked("interleaved-zb", size);
  const std::vector<Group> groups = groups_of("interleaved-zb", size);
  return in_loop_placement("interleaved-zb", size, [&](int rank) {
    const int warm_up = (size.stages_per_rank - 1) * largest(groups) + size.ranks - 1 - rank;
    const std::vector<Action> order = alternate(by_groups(ActionKind::forward, rank, size, groups),
                                                by_groups(ActionKind::backward, rank, size, groups),
                                                static_cast<std::size_t>(warm_up));
    return split_backwards(order, static_cast<std::size_t>(rank));
  });
}

}  // namespace lockflight::schedule
