#include "partition/reach.h"

#include <algorithm>
#include <cmath>

namespace lockflight::partition {
namespace {

// The first of low … high − 1 that is so, or high; from it on all are.
template <typename Predicate>
int first_where(int low, int high, Predicate is_so) {
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (is_so(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

Reach::Reach(const Costs& costs, const Cuts& cuts, std::span<const std::int64_t> memory_of_stage)
    : costs_(costs),
      cuts_(cuts),
      earliest_(costs.stages()),
      speed_before_(costs.stages() + 1, 0.0),
      low_(costs.stages() + 1),
      high_(costs.stages() + 1),
      offset_(costs.stages() + 2) {
  find_kinds();
  for (int s = 0; s < costs.stages(); ++s) {
    speed_before_[s + 1] = speed_before_[s] + costs.rank_at(s).speed;
    find_earliest(s, memory_of_stage[s]);
  }
  window_.resize(costs.layers() + 1);
}

void Reach::find_kinds() {
  std::vector<int> first_of_kind;
  for (int s = 0; s < costs_.stages(); ++s) {
    const auto like =
        std::ranges::find_if(first_of_kind, [&](int t) { return costs_.alike(s, t); });
    kind_.push_back(static_cast<int>(like - first_of_kind.begin()));
    if (like != first_of_kind.end()) {
      continue;
    }
    first_of_kind.push_back(s);
    std::vector<Ticks>& entries = entries_.emplace_back(costs_.layers() + 1);
    std::vector<Ticks>& exits = exits_.emplace_back(costs_.layers() + 1);
    for (int i = s == 0 ? 0 : 1; i < costs_.layers(); ++i) {
      entries[i] = costs_.entry(s, i);
    }
    for (int i = 1; i <= costs_.layers(); ++i) {
      exits[i] = costs_.exit(s, i);
    }
  }
}

void Reach::find_earliest(int stage, std::int64_t memory) {
  int begin = cuts_.lowest(stage);
  const int last = cuts_.highest(stage + 1);
  if (costs_.memory(stage, begin, last).bytes() <= memory) {
    return;
  }
  earliest_[stage].assign(costs_.layers() + 1, 0);
  for (int end = begin + 1; end <= last; ++end) {
    while (begin < end && costs_.memory(stage, begin, end).bytes() > memory) {
      ++begin;
    }
    earliest_[stage][end] = begin;
  }
}

// The last end such that the work alone takes at most the limit.
int Reach::furthest_end(int stage, int begin, Ticks limit) const {
  const Ticks most = costs_.work(stage, begin) + limit;
  return first_where(begin + 1, costs_.layers() + 1,
                     [&](int end) { return costs_.work(stage, end) > most; }) -
         1;
}

int Reach::first_begin(int stage, int end, Ticks limit) const {
  const Ticks least = costs_.work(stage, end) - limit;
  return first_where(0, end, [&](int begin) { return costs_.work(stage, begin) >= least; });
}

bool Reach::narrow(const Segment& segment, Ticks limit) {
  segment_ = segment;
  const auto [first, last, begin, end] = segment;
  low_[first] = high_[first] = begin;
  for (int s = first; s < last; ++s) {
    high_[s + 1] = std::min(cuts_.highest(s + 1), furthest_end(s, high_[s], limit));
    high_[s + 1] = std::min(high_[s + 1], end - (last - s - 1));
  }
  if (high_[last] < end) {
    return false;
  }
  low_[last] = end;
  for (int s = last - 1; s > first; --s) {
    low_[s] = std::max(cuts_.lowest(s), first_begin(s, low_[s + 1], limit));
    low_[s] = std::max(low_[s], begin + s - first);
    if (low_[s] > high_[s]) {
      return false;
    }
  }
  std::size_t offset = 0;
  for (int s = first; s <= last; ++s) {
    offset_[s] = offset;
    offset += high_[s] - low_[s] + 1;
  }
  reached_.resize(std::max(reached_.size(), offset));
  return true;
}

Reach::Forward Reach::forward(Ticks limit) {
  Forward result;
  reached(segment_.first, segment_.begin) = 1;
  for (int s = segment_.first; s < segment_.last; ++s) {
    forward_through(s, limit, result);
  }
  result.reached = reached(segment_.last, segment_.end);
  return result;
}

// window_[front … back) holds reached begins, ascending, each with a lesser entry than the ones
// behind it: the front has the least of the whole window.
void Reach::forward_through(int stage, Ticks limit, Forward& result) {
  const std::vector<Ticks>& entries = this->entries(stage);
  const std::vector<Ticks>& exits = this->exits(stage);
  std::size_t front = 0;
  std::size_t back = 0;
  int begin = low_[stage];
  for (int end = low_[stage + 1]; end <= high_[stage + 1]; ++end) {
    for (; begin < end && begin <= high_[stage]; ++begin) {
      if (reached(stage, begin)) {
        while (back > front && entries[window_[back - 1]] >= entries[begin]) {
          --back;
        }
        window_[back++] = begin;
      }
    }
    while (front < back && window_[front] < earliest(stage, end)) {
      ++front;
    }
    bool fits = false;
    if (front < back && cuts_.allowed(end)) {
      const Ticks time = entries[window_[front]] + exits[end];
      fits = time <= limit;
      result.next = fits ? result.next : std::min(result.next, time);
    }
    reached(stage + 1, end) = fits;
  }
  steps_ += high_[stage + 1] - low_[stage + 1] + 1;
}

void Reach::backward(Ticks limit) {
  for (int s = segment_.last - 1; s >= segment_.first; --s) {
    backward_through(s, limit);
  }
}

// The same as forward_through(), seen from the end.
void Reach::backward_through(int stage, Ticks limit) {
  const std::vector<Ticks>& entries = this->entries(stage);
  const std::vector<Ticks>& exits = this->exits(stage);
  std::size_t front = 0;
  std::size_t back = 0;
  int end = high_[stage + 1];
  for (int begin = high_[stage]; begin >= low_[stage]; --begin) {
    for (; end > begin && end >= low_[stage + 1]; --end) {
      if (reached(stage + 1, end)) {
        while (back > front && exits[window_[back - 1]] >= exits[end]) {
          --back;
        }
        window_[back++] = end;
      }
    }
    while (front < back && earliest(stage, window_[front]) > begin) {
      ++front;
    }
    if (front == back || entries[begin] + exits[window_[front]] > limit) {
      reached(stage, begin) = 0;
    }
  }
  steps_ += high_[stage] - low_[stage] + 1;
}

std::vector<int> Reach::path(Ticks limit) const {
  const auto [first, last, first_layer, end_layer] = segment_;
  std::vector<int> cuts(last - first + 1, first_layer);
  cuts.back() = end_layer;
  for (int s = last - 1; s > first; --s) {
    const int end = cuts[s + 1 - first];
    const double share =
        costs_.work_between(first_layer, end) / (speed_before_[s + 1] - speed_before_[first]);
    auto least = static_cast<double>(kNever);
    const int lowest = std::max({low_[s], earliest(s, end), first_begin(s, end, limit)});
    for (int begin = std::min(end - 1, high_[s]); begin >= lowest; --begin) {
      const Ticks taken = time(s, begin, end);
      const double off = std::abs(static_cast<double>(taken) - share);
      if (reached(s, begin) && taken <= limit && off < least) {
        least = off;
        cuts[s - first] = begin;
      }
    }
  }
  return cuts;
}

std::vector<int> Reach::cuts_of(int stage) const {
  std::vector<int> cuts;
  for (int cut = low_[stage]; cut <= high_[stage]; ++cut) {
    if (reached(stage, cut)) {
      cuts.push_back(cut);
    }
  }
  return cuts;
}

Ticks Reach::slowest(const Segment& segment, std::span<const int> cuts) const {
  Ticks slowest = 0;
  for (int s = segment.first; s < segment.last; ++s) {
    slowest = std::max(slowest, time(s, cuts[s], cuts[s + 1]));
  }
  return slowest;
}

}  // namespace lockflight::partition
