#include "lockflight/plan/timeline.h"

#include <algorithm>
#include <limits>
#include <utility>

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
  std::vector<std::pair<std::int64_t, std::int64_t>> computing;
  for (const TimelineSpan& span : spans) {
    if (span.rank == rank && computes(span)) {
      computing.emplace_back(span.begin_ns, span.end_ns);
    }
  }
  std::ranges::sort(computing);  // those on two streams overlap
  std::int64_t busy = 0;
  std::int64_t until = std::numeric_limits<std::int64_t>::min();
  for (const auto& [begin, end] : computing) {
    busy += std::max<std::int64_t>(0, end - std::max(begin, until));
    until = std::max(until, end);
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

}  // namespace lockflight
