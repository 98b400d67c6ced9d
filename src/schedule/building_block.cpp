#include "schedule/building_block.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {
namespace {

using enum ActionKind;

constexpr int kPeriod = 6;

struct Begin {
  int time = 0;
  int stage = 0;
  ActionKind kind = forward;
};

std::array<Begin, kPeriod> begins_of(const BuildingBlock& block, int down, int up) {
  std::array<bool, kPeriod> taken{};
  for (const int time :
       {block.down_forward, block.up_forward, block.up_gradient, block.down_gradient}) {
    taken[time % kPeriod] = true;
  }
  const auto next_free = [&](int time) {
    do {
      ++time;
    } while (taken[time % kPeriod]);
    taken[time % kPeriod] = true;
    return time;
  };
  const int up_weight = next_free(block.up_gradient);
  const int down_weight = next_free(block.down_gradient);
  return {
      Begin{block.down_forward, down, forward},         Begin{block.up_forward, up, forward},
      Begin{block.up_gradient, up, input_gradient},     Begin{up_weight, up, weight_gradient},
      Begin{block.down_gradient, down, input_gradient}, Begin{down_weight, down, weight_gradient}};
}

}  // namespace

Schedule repeat(std::string name, PipelineSize size,
                const std::function<BuildingBlock(int rank)>& block) {
  return in_v_placement(std::move(name), size, [&](int rank) {
    const auto begins = begins_of(block(rank), rank, 2 * size.ranks - 1 - rank);
    int end = 0;
    for (const Begin& begin : begins) {
      end = std::max(end, begin.time + (size.micro_batches - 1) * kPeriod + 1);
    }
    std::vector<Cell> cells;
    for (int time = 0; time < end; ++time) {
      for (const Begin& begin : begins) {
        const int since = time - begin.time;
        if (since >= 0 && since % kPeriod == 0 && since / kPeriod < size.micro_batches) {
          cells.push_back({{begin.stage, begin.kind, since / kPeriod}});
        }
      }
    }
    return cells;
  });
}

}  // namespace lockflight::schedule
