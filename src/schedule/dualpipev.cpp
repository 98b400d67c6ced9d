#include "lockflight/schedule/dualpipev.h"

#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "schedule/eight_phases.h"
#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule dualpipev(PipelineSize size) {
  checked("dualpipev", size);
  if (size.micro_batches < 2 * size.ranks) {
    throw InvalidArgument(fmt::format(
        "schedule dualpipev: {} micro-batches on {} ranks; it needs m >= 2p = {}{}",
        size.micro_batches, size.ranks, 2 * size.ranks,
        size.micro_batches < 2 ? std::string()
                               : fmt::format(", or at most {} ranks", size.micro_batches / 2)));
  }
  return in_v_placement("dualpipev", size, [&](int rank) {
    return eight_phases({.before = rank + 1,
                         .after = size.ranks - 1 - rank,
                         .micro_batches = size.micro_batches,
                         .down = {.stage = rank},
                         .up = {.stage = 2 * size.ranks - 1 - rank}});
  });
}

}  // namespace lockflight::schedule
