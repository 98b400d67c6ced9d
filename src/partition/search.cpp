#include "partition/search.h"

#include <algorithm>
#include <compare>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "lockflight/core/random.h"
#include "partition/chain.h"
#include "partition/recompute.h"

namespace lockflight::partition {
namespace {

constexpr int kMoves = 3;  // of cuts, before a new local search

// What partitions are ordered by.
struct Value {
  std::int64_t memory_bytes = 0;
  std::vector<Ticks> times;  // of all ranks, descending

  auto operator<=>(const Value&) const = default;
};

struct Candidate {
  std::vector<int> cuts;
  std::vector<int> recomputed;
  std::vector<Ticks> plain_times;  // of each rank, without what is computed again
  Value value;
};

std::vector<std::vector<int>> stages_of_ranks(const Problem& problem) {
  std::vector<std::vector<int>> stages(problem.ranks.size());
  for (int s = 0; s < problem.stages(); ++s) {
    stages[problem.rank_of_stage[s]].push_back(s);
  }
  return stages;
}

// 0, or what the memory of a rank that has less must be raised to.
std::int64_t beyond(const Rank& rank, std::int64_t bytes) {
  return bytes > rank.memory_bytes ? bytes : 0;
}

class Search {
 public:
  Search(const Costs& costs, const Cuts& cuts, Goal goal, std::int64_t steps)
      : costs_(costs),
        cuts_(cuts),
        goal_(goal),
        steps_left_(steps),
        stages_of_rank_(stages_of_ranks(costs.problem())) {}

  // A third of the steps for each: a first answer, the proof, and a better answer if that failed.
  Found run() {
    const std::int64_t third = steps_left_ / 3;
    steps_left_ = third;
    for (const std::vector<int>& start : starts()) {
      improve(start);
    }
    steps_left_ = std::max<std::int64_t>(steps_left_, 0) + third;
    branch();
    const bool finished = steps_left_ > 0 && choices_proved_;
    if (!finished) {
      steps_left_ = third;
      wander();
    }
    return {.cuts = std::move(best_.cuts),
            .recomputed = std::move(best_.recomputed),
            .memory_bytes = best_.value.memory_bytes,
            .proved = finished};
  }

 private:
  const Problem& problem() const { return costs_.problem(); }
  bool done() const {
    return steps_left_ <= 0 ||
           (goal_ == Goal::any_that_fits && !best_.cuts.empty() && best_.value.memory_bytes == 0);
  }

  // --- candidates -------------------------------------------------------------------------------

  // The partition with these cuts and its best choice of recomputed layers; nothing if its times
  // alone show that it is not better than the best one.
  std::optional<Candidate> candidate(const std::vector<int>& cuts) {
    std::vector<Ticks> times = plain_times(cuts);
    steps_left_ -= 4L * costs_.stages();
    if (!best_.cuts.empty() && best_.value.memory_bytes == 0 &&
        sorted(times) >= best_.value.times) {
      return std::nullopt;
    }
    Candidate result{.cuts = cuts, .recomputed = {}, .plain_times = times, .value = {}};
    for (int r = 0; r < static_cast<int>(problem().ranks.size()); ++r) {
      const Choice choice = choice_of(r, cuts);
      times[r] += choice.ticks;
      result.value.memory_bytes =
          std::max(result.value.memory_bytes, beyond(problem().ranks[r], choice.bytes));
      result.recomputed.insert(result.recomputed.end(), choice.recomputed.begin(),
                               choice.recomputed.end());
      choices_proved_ = choices_proved_ && choice.proved;
    }
    result.value.times = sorted(std::move(times));
    return result;
  }

  bool take_if_better(const std::vector<int>& cuts) {
    std::optional<Candidate> found = candidate(cuts);
    if (!found || (!best_.cuts.empty() && found->value >= best_.value)) {
      return false;
    }
    best_ = *std::move(found);
    return true;
  }

  static std::vector<Ticks> sorted(std::vector<Ticks> times) {
    std::ranges::sort(times, std::greater<>());
    return times;
  }

  std::vector<Ticks> plain_times(std::span<const int> cuts) const {
    std::vector<Ticks> times(problem().ranks.size(), 0);
    for (int s = 0; s < costs_.stages(); ++s) {
      times[costs_.rank_of(s)] += costs_.time(s, cuts[s], cuts[s + 1]);
    }
    return times;
  }

  Choice choice_of(int rank, std::span<const int> cuts) {
    Memory memory;
    std::vector<Share> shares;
    for (const int s : stages_of_rank_[rank]) {
      memory.add(costs_.memory(s, cuts[s], cuts[s + 1]));
      shares.push_back({.stage = s, .begin = cuts[s], .end = cuts[s + 1]});
    }
    const std::int64_t limit = problem().ranks[rank].memory_bytes;
    if (memory.bytes() <= limit || !problem().recompute) {
      return {.bytes = memory.bytes()};
    }
    return choose_recomputed(costs_, rank, shares, limit, steps_left_);
  }

  // --- local search -----------------------------------------------------------------------------

  // Stages in the order of the model, each a rank of its own with its share of the rank's speed and
  // of its memory: solved exactly, this is a place to start from.
  std::optional<std::vector<int>> relaxed(bool with_memory, bool recomputed) const {
    Problem each = problem();
    each.ranks.clear();
    each.links.clear();
    each.recompute = false;
    std::vector<std::int64_t> memory;
    for (int s = 0; s < problem().stages(); ++s) {
      const Rank& rank = problem().ranks[costs_.rank_of(s)];
      const auto shared = static_cast<int>(stages_of_rank_[costs_.rank_of(s)].size());
      each.ranks.push_back({.speed = rank.speed / shared});
      memory.push_back(with_memory ? rank.memory_bytes / shared : kUnlimited);
      each.rank_of_stage[s] = s;
    }
    for (Layer& layer : each.layers) {
      if (recomputed && layer.recomputed) {
        layer.forward += layer.recomputed->seconds;
        layer.saved_bytes = layer.recomputed->saved_bytes;
        layer.transient_bytes = layer.recomputed->transient_bytes;
      }
    }
    const Costs costs(each);
    std::optional<Chain> chain = solve_chain(costs, cuts_, memory, steps_left_ / 4);
    return chain ? std::optional(std::move(chain->cuts)) : std::nullopt;
  }

  std::vector<std::vector<int>> starts() const {
    std::vector<std::vector<int>> starts{*relaxed(false, false)};
    for (const bool recomputed : {false, true}) {
      if (recomputed && !problem().recompute) {
        continue;
      }
      if (auto cuts = relaxed(true, recomputed)) {
        starts.push_back(*std::move(cuts));
      }
    }
    return starts;
  }

  // Moves runs of neighbouring cuts by the same number of layers as long as that is better.
  void improve(const std::vector<int>& start) {
    Candidate others = std::exchange(best_, {});
    take_if_better(start);
    while (!done() && improve_once()) {
    }
    if (!others.cuts.empty() && (best_.cuts.empty() || others.value <= best_.value)) {
      best_ = std::move(others);
    }
  }

  bool improve_once() {
    bool better = false;
    for (int first = 1; first < costs_.stages(); ++first) {
      for (int last = first; last < costs_.stages(); ++last) {
        for (int by = 1; by <= costs_.layers() / costs_.stages(); by *= 2) {
          better = move(first, last, by) || move(first, last, -by) || better;
          if (done()) {
            return false;
          }
        }
      }
    }
    return better;
  }

  bool move(int first, int last, int by) {
    const std::vector<int>& now = best_.cuts;
    if (now[first] + by <= now[first - 1] || now[last] + by >= now[last + 1]) {
      return false;
    }
    std::vector<int> cuts = now;
    for (int s = first; s <= last; ++s) {
      cuts[s] += by;
      if (cuts[s] < cuts_.lowest(s) || cuts[s] > cuts_.highest(s) || !cuts_.allowed(cuts[s])) {
        return false;
      }
    }
    return may_be_better(cuts, first, last) && take_if_better(cuts);
  }

  // Whether the ranks whose stages change take no longer than the slowest does now.
  bool may_be_better(std::span<const int> cuts, int first, int last) {
    steps_left_ -= last - first + 2;
    if (best_.value.memory_bytes > 0) {
      return true;
    }
    times_ = best_.plain_times;
    for (int s = first - 1; s <= last; ++s) {
      times_[costs_.rank_of(s)] +=
          costs_.time(s, cuts[s], cuts[s + 1]) - costs_.time(s, best_.cuts[s], best_.cuts[s + 1]);
    }
    return std::ranges::max(times_) <= best_.value.times.front();
  }

  // Local search from places near the best, drawn at random.
  void wander() {
    Random random({.seed = 0});
    const auto below = [&](int bound) { return static_cast<int>(random.next_below(bound)); };
    while (!done() && costs_.stages() > 1) {
      std::vector<int> cuts = best_.cuts;
      for (int k = 0; k < kMoves; ++k) {
        const int s = 1 + below(costs_.stages() - 1);
        const int low = std::max(cuts_.lowest(s), cuts[s - 1] + 1);
        const int high = std::min(cuts_.highest(s), cuts[s + 1] - 1);
        const int cut = low + below(high - low + 1);
        cuts[s] = cuts_.allowed(cut) ? cut : cuts[s];
      }
      --steps_left_;
      improve(cuts);
    }
  }

  // --- branch and bound -------------------------------------------------------------------------

  void branch() {
    cut_.assign(costs_.stages() + 1, 0);
    times_.assign(problem().ranks.size(), 0);
    memory_.assign(problem().ranks.size(), {});
    branch_from(0);
  }

  void branch_from(int stage) {
    if (done()) {
      return;
    }
    if (stage == costs_.stages()) {
      take_if_better(cut_);
      return;
    }
    const int begin = cut_[stage];
    const int rank = costs_.rank_of(stage);
    const int highest = cuts_.highest(stage + 1);
    for (int end = std::max(cuts_.lowest(stage + 1), begin + 1); end <= highest && !done(); ++end) {
      --steps_left_;
      if (!cuts_.allowed(end)) {
        continue;
      }
      const Ticks time = times_[rank];
      const Memory memory = memory_[rank];
      times_[rank] += costs_.time(stage, begin, end);
      memory_[rank].add(costs_.least_memory(stage, begin, end));
      cut_[stage + 1] = end;
      if (promising(stage + 1)) {
        branch_from(stage + 1);
      }
      times_[rank] = time;
      memory_[rank] = memory;
    }
  }

  // Whether what the first stages take leaves room for something better than the best so far. No
  // rank takes less in the end than now, and the ranks with stages to come share all that is left.
  bool promising(int stages) {
    if (best_.cuts.empty()) {
      return true;
    }
    std::int64_t memory_bytes = 0;
    steps_left_ -= static_cast<std::int64_t>(memory_.size());
    for (std::size_t r = 0; r < memory_.size(); ++r) {
      memory_bytes = std::max(memory_bytes, beyond(problem().ranks[r], memory_[r].bytes()));
    }
    if (memory_bytes != best_.value.memory_bytes || goal_ == Goal::any_that_fits) {
      return memory_bytes < best_.value.memory_bytes;
    }
    const Ticks slowest = best_.value.times.front();
    const Ticks now = std::ranges::max(times_);
    if (now > slowest || shared_time(stages) > static_cast<double>(slowest)) {
      return false;
    }
    return now < slowest || sorted(times_) < best_.value.times;
  }

  // At most what the slowest of the ranks with stages to come will take.
  double shared_time(int stages) const {
    double work = costs_.work_between(cut_[stages], costs_.layers());
    double speed = 0;
    for (std::size_t r = 0; r < times_.size(); ++r) {
      if (!stages_of_rank_[r].empty() && stages_of_rank_[r].back() >= stages) {
        work += static_cast<double>(times_[r]) * problem().ranks[r].speed;
        speed += problem().ranks[r].speed;
      }
    }
    constexpr double kRounding = 1 - 1e-12;
    return speed > 0 ? work / speed * kRounding - costs_.stages() : 0;
  }

  const Costs& costs_;
  const Cuts& cuts_;
  Goal goal_;
  std::int64_t steps_left_;
  std::vector<std::vector<int>> stages_of_rank_;
  Candidate best_;
  bool choices_proved_ = true;

  std::vector<int> cut_;
  std::vector<Ticks> times_;
  std::vector<Memory> memory_;  // at least what each rank needs
};

}  // namespace

Found search(const Costs& costs, const Cuts& cuts, Goal goal, std::int64_t steps) {
  return Search(costs, cuts, goal, steps).run();
}

}  // namespace lockflight::partition
