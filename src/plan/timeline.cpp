#include "lockflight/plan/timeline.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace lockflight {
namespace {

bool computes(const TimelineSpan& span) { return schedule::is_compute(span.action.kind); }

}  // namespace

std::int64_t Timeline::makespan_ns() const {
  std::int64_t begin = std::numeric_limits<std::int64_t>::max();
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  for (const TimelineSpan& span : spans) {
    if (computes(span)) {
      begin = std::min(begin, span.begin_ns);
      end = std::max(end, span.end_ns);
    }
  }
  return end > begin ? end - begin : 0;
}

std::int64_t Timeline::busy_ns(int rank) const {
  std::int64_t busy = 0;
  for (const TimelineSpan& span : spans) {
    if (span.rank == rank && computes(span)) {
      busy += span.end_ns - span.begin_ns;
    }
  }
  return busy;
}

double Timeline::idle_share() const {
  const std::int64_t whole = makespan_ns() * ranks;
  std::int64_t busy = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    busy += busy_ns(rank);
  }
  return whole == 0 ? 0 : 1 - static_cast<double>(busy) / static_cast<double>(whole);
}

Timeline Timeline::of_step(std::uint32_t step) const {
  Timeline timeline{.ranks = ranks};
  std::ranges::copy_if(spans, std::back_inserter(timeline.spans),
                       [step](const TimelineSpan& span) { return span.step == step; });
  return timeline;
}

}  // namespace lockflight
