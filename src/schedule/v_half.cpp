#include "lockflight/schedule/v_half.h"

#include "schedule/building_block.h"

namespace lockflight::schedule {

Schedule v_half(PipelineSize size) {
  // Away from rank 0 an action follows its neighbour's after a unit, towards it after two. So on
  // one rank the two of the same direction keep their distance, which is 3 modulo 6, and those of
  // different directions differ modulo 3. For an even p that takes some units more at the turns.
  const int p = size.ranks;
  const bool even = p % 2 == 0;
  const int up = 3 * p - 1 + (even ? 2 : 0);
  const int back = up + 1;
  const int end = back + 3 * p - 2 + (even ? 4 : 0);
  return repeat("v-half", size, [=](int rank) {
    return BuildingBlock{.down_forward = rank,
                         .up_forward = up - 2 * rank,
                         .up_gradient = back + rank,
                         .down_gradient = end - 2 * rank};
  });
}

}  // namespace lockflight::schedule
