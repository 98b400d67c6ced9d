#include "lockflight/schedule/dualpipe.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "schedule/eight_phases.h"
#include "schedule/generate.h"

namespace lockflight::schedule {
namespace {

void check_ranks(int ranks) {
  if (ranks % 2 == 0) {
    return;
  }
  throw InvalidArgument(
      ranks == 1 ? "schedule dualpipe: 1 rank; it needs an even number, at least 2"
                 : fmt::format("schedule dualpipe: {} ranks; it needs an even number, such as {} "
                               "or {}",
                               ranks, ranks - 1, ranks + 1));
}

void check_micro_batches(PipelineSize size) {
  const int m = size.micro_batches;
  const int least = 2 * size.ranks;
  if (m % 2 == 0 && m >= least) {
    return;
  }
  const int fewer_ranks = m / 4 * 2;
  const std::string nearest = m > least ? fmt::format("{} or {}", m - 1, m + 1)
                              : m % 2 != 0 || fewer_ranks == 0
                                  ? fmt::format("{}", least)
                                  : fmt::format("{}, or at most {} ranks", least, fewer_ranks);
  throw InvalidArgument(fmt::format(
      "schedule dualpipe: {} micro-batches on {} ranks; it needs an even m >= 2p = {}, such as {}",
      m, size.ranks, least, nearest));
}

std::vector<Cell> order_of_rank(int rank, PipelineSize size) {
  const int from_its_end = std::min(rank, size.ranks - 1 - rank);
  EightPhases phases{
      .before = from_its_end + 1,
      .after = size.ranks / 2 - 1 - from_its_end,
      .micro_batches = size.micro_batches / 2,
      .down = {.stage = rank},
      .up = {.stage = 2 * size.ranks - 1 - rank, .first_micro_batch = size.micro_batches / 2}};
  if (rank != from_its_end) {
    std::swap(phases.down, phases.up);  // the outermost rank of this half is the last one
  }
  return eight_phases(phases);
}

}  // namespace

Schedule dualpipe(PipelineSize size) {
  if (size.stages_per_rank != 0 && size.stages_per_rank != 2) {
    throw InvalidArgument(fmt::format(
        "schedule dualpipe: {} stages per rank; it has 2, one of each copy of the model",
        size.stages_per_rank));
  }
  checked("dualpipe", size);
  check_ranks(size.ranks);
  check_micro_batches(size);
  Schedule schedule{.name = "dualpipe",
                    .micro_batches = size.micro_batches,
                    .placement = Placement::two_way(size.ranks),
                    .rows = {}};
  for (int rank = 0; rank < size.ranks; ++rank) {
    schedule.rows.push_back(order_of_rank(rank, size));
  }
  return schedule;
}

}  // namespace lockflight::schedule
