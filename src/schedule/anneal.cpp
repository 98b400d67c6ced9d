#include "schedule/anneal.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace lockflight::schedule {
namespace {

using enum ActionKind;

constexpr double kAnywhere = 0.15;  // share of changes that do not go by a critical path
constexpr double kJoinOrPart = 0.15;
constexpr double kEndsWeight = 0.05;  // of the mean end, to tell equal makespans apart

bool has_slow_transfers(const SearchProblem& problem) {
  const auto positive = [](double time) { return time > 0; };
  return std::ranges::any_of(problem.forward_transfers, positive) ||
         std::ranges::any_of(problem.backward_transfers, positive);
}

class Annealer {
 public:
  Annealer(const SearchProblem& problem, const TimedOrder& start, Random& random)
      : joins_(has_slow_transfers(problem)),
        random_(random),
        clock_(problem),
        rules_(problem),
        now_(start),
        best_(start) {}

  TimedOrder run(const Annealing& annealing) {
    cost_ = cost(clock_.run(now_.order));
    clock_.find_critical_path(path_);
    const double start = annealing.heat * now_.makespan;
    for (std::int64_t i = 0; i < annealing.orders && best_.makespan > annealing.enough; ++i) {
      const double cold =
          1 - static_cast<double>(i) / static_cast<double>(annealing.orders);  // 1 … 0
      try_change(start * cold * cold);
    }
    return std::move(best_);
  }

 private:
  double cost(double makespan) const { return makespan + kEndsWeight * clock_.mean_end(); }

  void try_change(double heat) {
    const int rank = change();
    if (rank < 0) {
      return;
    }
    const double makespan = rules_.allow(rank, now_.order[rank]) ? clock_.run(now_.order) : kNever;
    if (makespan < kNever) {
      const double now = cost(makespan);
      if (now <= cost_ - heat * std::log(1 - random_.next_uniform())) {
        cost_ = now;
        now_.makespan = makespan;
        clock_.find_critical_path(path_);
        if (makespan < best_.makespan) {
          best_ = now_;
        }
        return;
      }
    }
    now_.order[rank].swap(before_);
  }

  // Changes a row, whose old state is kept; -1 if nothing came of it.
  int change() {
    const bool anywhere = random_.next_uniform() < kAnywhere;
    const Place place = anywhere ? any_place() : path_[below(path_.size())];
    Row& row = now_.order[place.rank];
    before_ = row;
    if (joins_ && random_.next_uniform() < kJoinOrPart) {
      return join_or_part(row, place.position) ? place.rank : -1;
    }
    return (anywhere && (random_.next_u32() & 1) != 0 ? move_back(row, place.position)
                                                      : move_ahead(row, place.position))
               ? place.rank
               : -1;
  }

  std::size_t below(std::size_t count) { return random_.next_below(count); }

  Place any_place() {
    const auto rank = static_cast<int>(below(now_.order.size()));
    return {rank, static_cast<int>(below(now_.order[rank].size()))};
  }

  // An action goes ahead of some that stand before it, or the farthest of these goes behind it.
  bool move_ahead(Row& row, int position) {
    int first = position;
    do {
      while (first > 0 && row[first - 1] == row[position]) {
        --first;
      }
      --first;
    } while (first > 0 && random_.next_uniform() < 0.6);
    if (first < 0) {
      return false;
    }
    const auto begin = row.begin() + first;
    const auto end = row.begin() + position + 1;
    std::rotate(begin, (random_.next_u32() & 1) != 0 ? begin + 1 : end - 1, end);
    return true;
  }

  bool move_back(Row& row, int position) {
    const auto left = static_cast<int>(row.size()) - 1 - position;
    if (left == 0) {
      return false;
    }
    const auto farther = static_cast<int>(below(std::min(left, 8))) + 1;
    const auto begin = row.begin() + position;
    std::rotate(begin, begin + 1, begin + farther + 1);
    return true;
  }

  // A B becomes I and W; an I takes the next W of its stage along.
  static bool join_or_part(Row& row, int position) {
    const Turn turn = row[position];
    if (turn.kind == backward) {
      row[position].kind = input_gradient;
      row.insert(row.begin() + position + 1, {turn.stage, weight_gradient});
      return true;
    }
    if (turn.kind != input_gradient) {
      return false;
    }
    const auto weight =
        std::find(row.begin() + position, row.end(), Turn{turn.stage, weight_gradient});
    if (weight == row.end()) {
      return false;
    }
    row.erase(weight);
    row[position].kind = backward;
    return true;
  }

  const bool joins_;
  Random& random_;
  OrderClock clock_;
  RowRules rules_;
  TimedOrder now_;
  TimedOrder best_;
  double cost_ = kNever;
  Row before_;
  std::vector<Place> path_;
};

}  // namespace

TimedOrder anneal(const SearchProblem& problem, const TimedOrder& start, const Annealing& annealing,
                  Random& random) {
  return Annealer(problem, start, random).run(annealing);
}

}  // namespace lockflight::schedule
