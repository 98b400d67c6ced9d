#include "partition/chain.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "partition/leximax.h"
#include "partition/reach.h"

namespace lockflight::partition {
namespace {

class Solver {
 public:
  Solver(const Costs& costs, const Cuts& cuts, std::span<const std::int64_t> memory_of_stage,
         std::int64_t steps)
      : costs_(costs), reach_(costs, cuts, memory_of_stage), steps_left_(steps) {}

  std::optional<Chain> solve() {
    if (!find_any()) {
      return std::nullopt;
    }
    tighten(whole());
    split(whole());
    while (!segments_.empty() && reach_.steps() < steps_left_) {
      const Segment segment = segments_.back();
      segments_.pop_back();
      tighten(segment);
      split(segment);
    }
    return Chain{.cuts = std::move(cuts_), .proved = proved_ && segments_.empty()};
  }

 private:
  Segment whole() const {
    return {.first = 0, .last = costs_.stages(), .begin = 0, .end = costs_.layers()};
  }

  bool find_any() {
    const auto all = static_cast<Ticks>(costs_.work_between(0, costs_.layers()));
    for (Ticks limit = all / costs_.stages() + 1; limit < kNever; limit *= 2) {
      if (reach_.narrow(whole(), limit) && reach_.forward(limit).reached) {
        cuts_ = reach_.path(limit);
        return true;
      }
    }
    return false;
  }

  void take(const Segment& segment, std::span<const int> cuts) {
    std::ranges::copy(cuts, cuts_.begin() + segment.first);
  }

  // Makes the slowest stage of a segment as fast as possible.
  void tighten(const Segment& segment) {
    Ticks low = 0;
    Ticks high = reach_.slowest(segment, cuts_);
    while (low < high) {
      const Ticks limit = low + (high - low) / 2;
      if (!reach_.narrow(segment, limit)) {
        low = limit + 1;
        continue;
      }
      reach_.narrow(segment, high);
      const Reach::Forward forward = reach_.forward(limit);
      if (forward.reached) {
        take(segment, reach_.path(limit));
        high = reach_.slowest(segment, cuts_);
      } else {
        low = forward.next;
      }
    }
  }

  void split(const Segment& segment) {
    const Ticks limit = reach_.slowest(segment, cuts_);
    reach_.narrow(segment, limit);
    reach_.forward(limit);
    reach_.backward(limit);
    std::vector<std::vector<int>> choices;
    std::vector<int> fixed{segment.first};
    for (int s = segment.first; s <= segment.last; ++s) {
      choices.push_back(reach_.cuts_of(s));
      if (s > segment.first && choices.back().size() == 1) {
        fixed.push_back(s);
      }
    }
    if (fixed.size() == 2 && !choose(segment, choices, limit)) {
      proved_ = false;
      fixed = fix_slowest(segment, limit);
    }
    if (fixed.size() > 2) {
      divide(fixed);
    }
  }

  std::vector<int> fix_slowest(const Segment& segment, Ticks limit) const {
    std::vector<int> fixed{segment.first};
    for (int s = segment.first; s < segment.last; ++s) {
      if (reach_.time(s, cuts_[s], cuts_[s + 1]) == limit) {
        fixed.insert(fixed.end(), {s, s + 1});
      }
    }
    fixed.push_back(segment.last);
    fixed.erase(std::unique(fixed.begin(), fixed.end()), fixed.end());
    return fixed;
  }

  void divide(std::span<const int> stages) {
    for (std::size_t i = 0; i + 1 < stages.size(); ++i) {
      if (stages[i + 1] - stages[i] > 1) {
        segments_.push_back({.first = stages[i],
                             .last = stages[i + 1],
                             .begin = cuts_[stages[i]],
                             .end = cuts_[stages[i + 1]]});
      }
    }
  }

  // The best way through the cuts that are left, if the steps suffice.
  bool choose(const Segment& segment, const std::vector<std::vector<int>>& choices, Ticks limit) {
    std::vector<std::vector<int>> next(choices.size());
    std::vector<TimeSet> behind(1);
    for (int k = static_cast<int>(choices.size()) - 2; k >= 0; --k) {
      const int stage = segment.first + k;
      const std::vector<int>& ends = choices[k + 1];
      std::vector<TimeSet> sets;
      auto from = ends.begin();
      for (const int begin : choices[k]) {
        from = std::find_if(from, ends.end(), [begin](int end) { return end > begin; });
        const auto best = best_end(stage, begin, {from, ends.end()}, limit,
                                   std::span(behind).subspan(from - ends.begin()));
        const auto at = static_cast<std::size_t>(from - ends.begin()) + best;
        next[k].push_back(static_cast<int>(at));
        sets.emplace_back(behind[at], reach_.time(stage, begin, ends[at]));
        steps_left_ -= static_cast<std::int64_t>(sets.back().runs());
        if (reach_.steps() > steps_left_) {
          return false;
        }
      }
      behind = std::move(sets);
    }
    for (std::size_t k = 0, at = 0; k + 1 < choices.size(); ++k) {
      at = next[k][at];
      cuts_[segment.first + k + 1] = choices[k + 1][at];
    }
    return true;
  }

  // The index of the best end, of equal ones the last; sets[i] is what lies behind ends[i].
  std::size_t best_end(int stage, int begin, std::span<const int> ends, Ticks limit,
                       std::span<const TimeSet> sets) {
    const Ticks furthest = costs_.work(stage, begin) + limit;
    std::size_t best = ends.size();
    Ticks best_time = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (costs_.work(stage, ends[i]) > furthest || !reach_.within_memory(stage, begin, ends[i])) {
        break;
      }
      const Ticks time = reach_.time(stage, begin, ends[i]);
      --steps_left_;
      if (time <= limit && (best == ends.size() || TimeSet::compare(sets[i], time, sets[best],
                                                                    best_time, steps_left_) <= 0)) {
        best = i;
        best_time = time;
      }
    }
    return best;
  }

  const Costs& costs_;
  Reach reach_;
  std::int64_t steps_left_;  // before those of reach_
  std::vector<int> cuts_;
  std::vector<Segment> segments_;  // still to be solved, each tight in what encloses it
  bool proved_ = true;
};

}  // namespace

std::optional<Chain> solve_chain(const Costs& costs, const Cuts& cuts,
                                 std::span<const std::int64_t> memory_of_stage,
                                 std::int64_t steps) {
  return Solver(costs, cuts, memory_of_stage, steps).solve();
}

std::optional<std::vector<int>> any_chain(const Costs& costs, const Cuts& cuts,
                                          std::span<const std::int64_t> memory_of_stage) {
  Reach reach(costs, cuts, memory_of_stage);
  const Segment whole{.first = 0, .last = costs.stages(), .begin = 0, .end = costs.layers()};
  if (!reach.narrow(whole, kNever) || !reach.forward(kNever).reached) {
    return std::nullopt;
  }
  return reach.path(kNever);
}

}  // namespace lockflight::partition
