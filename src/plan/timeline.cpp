#include "lockflight/plan/timeline.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace lockflight {
namespace {

struct Interval {
  std::int64_t begin_ns;
  std::int64_t end_ns;
};

bool computes(const TimelineSpan& span) { return schedule::runs_layers(span.action.kind); }

// When each rank computes: ascending and apart, whatever streams it does so on.
std::vector<std::vector<Interval>> computing(const Timeline& timeline) {
  std::vector<std::vector<Interval>> ranks(static_cast<std::size_t>(timeline.ranks));
  for (const TimelineSpan& span : timeline.spans) {
    if (computes(span)) {
      ranks[span.rank].push_back({span.begin_ns, span.end_ns});
    }
  }
  for (std::vector<Interval>& intervals : ranks) {
    std::ranges::sort(intervals, {}, &Interval::begin_ns);
    std::vector<Interval> apart;
    for (const Interval& interval : intervals) {
      if (apart.empty() || apart.back().end_ns < interval.begin_ns) {
        apart.push_back(interval);
      } else {
        apart.back().end_ns = std::max(apart.back().end_ns, interval.end_ns);
      }
    }
    intervals = std::move(apart);
  }
  return ranks;
}

std::int64_t common_ns(const std::vector<Interval>& apart, const Interval& with) {
  std::int64_t common = 0;
  const auto ends_before = [&](const Interval& one) { return one.end_ns <= with.begin_ns; };
  for (auto one = std::ranges::partition_point(apart, ends_before);
       one != apart.end() && one->begin_ns < with.end_ns; ++one) {
    common += std::min(one->end_ns, with.end_ns) - std::max(one->begin_ns, with.begin_ns);
  }
  return common;
}

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
  const auto computing_ranks = computing(*this);
  std::int64_t busy = 0;
  for (const Interval& interval : computing_ranks[rank]) {
    busy += interval.end_ns - interval.begin_ns;
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

std::optional<double> Timeline::overlapped_share() const {
  std::map<std::pair<int, int>, std::vector<const TimelineSpan*>> transfers;
  for (const TimelineSpan& span : spans) {
    if (!computes(span)) {
      transfers[{span.channel, span.action.micro_batch}].push_back(&span);
    }
  }
  const auto computing_ranks = computing(*this);
  std::int64_t whole = 0;
  std::int64_t overlapped = 0;
  for (const auto& [key, ends] : transfers) {
    Interval travel{std::numeric_limits<std::int64_t>::min(),
                    std::numeric_limits<std::int64_t>::min()};
    for (const TimelineSpan* end : ends) {
      travel = {std::max(travel.begin_ns, end->begin_ns), std::max(travel.end_ns, end->end_ns)};
    }
    for (const TimelineSpan* end : ends) {
      whole += travel.end_ns - travel.begin_ns;
      overlapped += common_ns(computing_ranks[end->rank], travel);
    }
  }
  return whole > 0 ? std::optional(static_cast<double>(overlapped) / static_cast<double>(whole))
                   : std::nullopt;
}

std::optional<double> Timeline::host_ns_per_action() const {
  const auto actions = std::ranges::count_if(spans, computes);
  if (host_ns.empty() || actions == 0) {
    return std::nullopt;
  }
  const auto whole = std::accumulate(host_ns.begin(), host_ns.end(), std::int64_t{0});
  return static_cast<double>(whole) / static_cast<double>(actions);
}

}  // namespace lockflight
