#include "lockflight/schedule/v_min.h"

#include "schedule/building_block.h"

namespace lockflight::schedule {

Schedule v_min(PipelineSize size) {
  // Everything goes on to the next rank a unit later, so on one rank the ways down come later with
  // its number and the ways up sooner: an even and an odd one never meet modulo 6. The two of the
  // same direction would where 3 divides p, unless the gradients started two units later.
  const int p = size.ranks;
  const int up = 2 * p - 1;
  const int back = 2 * p + (p % 3 == 0 ? 2 : 0);
  return repeat("v-min", size, [=](int rank) {
    return BuildingBlock{.down_forward = rank,
                         .up_forward = up - rank,
                         .up_gradient = back + rank,
                         .down_gradient = back + up - rank};
  });
}

}  // namespace lockflight::schedule
