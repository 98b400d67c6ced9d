// The eight phases of a rank in DualPipe and DualPipeV, which dualpipev.h lists: the ranks of the
// latter are one half of the ranks of the former, which is two of them, mirrored.

#pragma once

#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

struct EightPhases {
  struct Way {
    int stage = 0;              // of the rank
    int first_micro_batch = 0;  // of those that go that way
  };

  int before = 1;         // ranks up to this one, from the outermost
  int after = 0;          // ranks after it, to the innermost
  int micro_batches = 2;  // that go each way: at least 2(before + after)
  Way down;               // from the outermost rank to the innermost
  Way up;
};

std::vector<Cell> eight_phases(const EightPhases& phases);

}  // namespace lockflight::schedule
