// The oracle of the search: branch and bound over all orders, for small problems.
//
// It commits ranks to their next action, the rank that is free first going first, so every order is
// met once. A state is given up if its bound is no better than the best order, or if another state
// with the same actions done was nowhere later.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lockflight/schedule/search.h"

namespace lockflight::schedule {

class ExactSearch {
 public:
  /// Looks for orders that take less than `below`, in at most so many states.
  ExactSearch(const SearchProblem& problem, double below, std::int64_t most_states)
      : problem_(problem),
        stages_(problem.placement.stages()),
        ranks_(problem.placement.ranks()),
        best_(below),
        states_left_(most_states) {
    for (const auto* times : {&problem.forward_transfers, &problem.backward_transfers}) {
      for (const double time : *times) {
        transfers_ = transfers_ || time > 0;
      }
    }
    State start;
    start.stages.resize(stages_);
    start.ranks.resize(ranks_);
    start.made.assign(2 * stages_, {});
    start.way_free.assign(2 * stages_, 0);
    visit(start);
  }

  bool finished() const { return states_left_ > 0; }
  /// The least makespan, or `below` if no order is faster.
  double best() const { return best_; }

 private:
  using Kind = ActionKind;
  struct Done {
    int f = 0;
    int i = 0;
    int w = 0;
  };
  struct RankState {
    double free = 0;
    std::vector<double> ends;
    int stage = -1;  // of the action that it is committed to
    Kind kind = Kind::forward;
    std::int64_t bytes = 0;
  };
  struct State {
    std::vector<Done> stages;
    std::vector<RankState> ranks;
    std::vector<std::vector<double>> made;  // outputs, by stage, then gradients of inputs
    std::vector<double> way_free;
  };

  int rank_of(int stage) const { return problem_.placement.rank_of(stage); }
  SavedBytes saved(int stage) const {
    return problem_.saved.empty() ? SavedBytes{} : problem_.saved[stage];
  }
  double time_of(int stage, Kind kind) const {
    const StageTimes& t = problem_.times[stage];
    return kind == Kind::forward           ? t.forward
           : kind == Kind::input_gradient  ? t.input_gradient
           : kind == Kind::weight_gradient ? t.weight_gradient
                                           : t.input_gradient + t.weight_gradient;
  }
  double transfer(int from, int to) const {
    const auto& times = from < to ? problem_.forward_transfers : problem_.backward_transfers;
    return times.empty() || rank_of(from) == rank_of(to) ? 0 : times[std::min(from, to)];
  }

  // When an action's input is there; nothing if it is not made.
  std::optional<double> input(const State& state, int stage, Kind kind) const {
    const bool up = kind == Kind::forward;
    const int from = up ? stage - 1 : stage + 1;
    if (kind == Kind::weight_gradient || from < 0 || from == stages_) {
      return 0;
    }
    const int way = up ? from : stages_ + from;
    const auto number =
        static_cast<std::size_t>(up ? state.stages[stage].f : state.stages[stage].i);
    if (number >= state.made[way].size()) {
      return std::nullopt;
    }
    const double made = state.made[way][number];
    if (rank_of(from) == rank_of(stage)) {
      return made;
    }
    const std::vector<double>& ends = state.ranks[rank_of(stage)].ends;
    const auto back = static_cast<std::size_t>(problem_.receive_ahead) + 1;
    const double posted = ends.size() >= back ? ends[ends.size() - back] : 0;
    return std::max({made, posted, state.way_free[way]}) + transfer(from, stage);
  }

  bool possible(const State& state, int stage, Kind kind) const {
    const Done& done = state.stages[stage];
    const std::int64_t bytes = state.ranks[rank_of(stage)].bytes;
    const SavedBytes keeps = saved(stage);
    const auto fits = [&](std::int64_t more) {
      return problem_.memory_limits.empty() ||
             bytes + more <= problem_.memory_limits[rank_of(stage)];
    };
    switch (kind) {
      case Kind::forward:
        return done.f < problem_.micro_batches && fits(keeps.after_forward);
      case Kind::input_gradient:
        return done.i < done.f && fits(keeps.after_input_gradient - keeps.after_forward);
      case Kind::weight_gradient:
        return done.w < done.i;
      default:
        return transfers_ && done.i < done.f && done.i == done.w;
    }
  }

  void visit(const State& state) {
    if (--states_left_ <= 0 || bound(state) >= best_ * (1 - 1e-12) || dominated(state)) {
      return;
    }
    int first = -1;
    bool over = true;
    for (int rank = 0; rank < ranks_; ++rank) {
      const RankState& here = state.ranks[rank];
      bool left = false;
      for (const int stage : problem_.placement.stages_of(rank)) {
        left = left || state.stages[stage].w < problem_.micro_batches;
      }
      over = over && !left;
      if (left && here.stage < 0 && (first < 0 || here.free < state.ranks[first].free)) {
        first = rank;
      }
    }
    if (over) {
      best_ = bound(state);
    } else if (first >= 0) {
      branch(state, first);
    }
  }

  void branch(const State& state, int rank) {
    std::vector<std::pair<double, State>> children;
    for (const int stage : problem_.placement.stages_of(rank)) {
      for (const Kind kind :
           {Kind::input_gradient, Kind::forward, Kind::weight_gradient, Kind::backward}) {
        if (possible(state, stage, kind)) {
          State child = state;
          child.ranks[rank].stage = stage;
          child.ranks[rank].kind = kind;
          if (run_committed(child)) {
            const double least = bound(child);
            children.emplace_back(least, std::move(child));
          }
        }
      }
    }
    std::stable_sort(children.begin(), children.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [least, child] : children) {
      visit(child);
    }
  }

  // Runs what ranks are committed to, as far as inputs are made; false if another order is as good.
  bool run_committed(State& state) const {
    for (bool progress = true; progress;) {
      progress = false;
      for (RankState& rank : state.ranks) {
        if (rank.stage < 0) {
          continue;
        }
        const auto there = input(state, rank.stage, rank.kind);
        if (there) {
          if (leaves_gap(state, rank, std::max(rank.free, *there))) {
            return false;
          }
          run(state, rank, *there);
          progress = true;
        }
      }
    }
    return true;
  }

  // Whether, without transfers, another action of the rank could run before this one and hold
  // nothing up: the rank is idle for long enough.
  bool leaves_gap(const State& state, const RankState& rank, double begin) const {
    if (transfers_ || begin <= rank.free) {
      return false;
    }
    for (const int stage : problem_.placement.stages_of(rank_of(rank.stage))) {
      for (const Kind kind : {Kind::weight_gradient, Kind::input_gradient, Kind::forward}) {
        const bool same = stage == rank.stage && kind == rank.kind;
        const bool harmless = kind == Kind::weight_gradient || problem_.memory_limits.empty();
        if (same || !harmless || !possible(state, stage, kind)) {
          continue;
        }
        const auto there = input(state, stage, kind);
        if (there && std::max(rank.free, *there) + time_of(stage, kind) <= begin) {
          return true;
        }
      }
    }
    return false;
  }

  void run(State& state, RankState& rank, double there) const {
    const int stage = rank.stage;
    const Kind kind = rank.kind;
    Done& done = state.stages[stage];
    const SavedBytes keeps = saved(stage);
    rank.free = std::max(rank.free, there) + time_of(stage, kind);
    rank.ends.push_back(rank.free);
    rank.stage = -1;
    if (kind == Kind::forward) {
      if (stage > 0) {
        state.way_free[stage - 1] = there;
      }
      state.made[stage].push_back(rank.free);
      ++done.f;
      rank.bytes += keeps.after_forward;
      return;
    }
    if (kind != Kind::weight_gradient) {
      if (stage + 1 < stages_) {
        state.way_free[stages_ + stage + 1] = there;
      }
      state.made[stages_ + stage].push_back(rank.free);
      ++done.i;
      rank.bytes += keeps.after_input_gradient - keeps.after_forward;
    }
    if (kind != Kind::input_gradient) {
      ++done.w;
      rank.bytes -= keeps.after_input_gradient;
    }
  }

  struct Job {
    double head;
    double time;
    double tail;
  };

  // Every rank alone, what is left of it cut into pieces at will: the longest tail first.
  double bound(const State& state) const {
    const auto m = static_cast<std::size_t>(problem_.micro_batches);
    std::vector<std::vector<double>> f = state.made;  // ends, at the earliest
    std::vector<std::vector<Job>> jobs(ranks_);
    const auto tails = [&](int stage, Kind kind) {
      double down = 0;  // after I: those of the stages before, and the last W
      double last = 0;
      for (int s = stage; s >= 0; --s) {
        last = std::max(last, down + time_of(s, Kind::weight_gradient));
        down += s > 0 ? transfer(s, s - 1) + time_of(s - 1, Kind::input_gradient) : 0;
      }
      if (kind == Kind::input_gradient) {
        return last;
      }
      double up = 0;
      double most = 0;
      for (int s = stage; s < stages_; ++s) {
        up += s > stage ? transfer(s - 1, s) + time_of(s, Kind::forward) : 0;
        double back = up;
        for (int t = stages_ - 1; t >= 0 && s + 1 == stages_; --t) {
          back += time_of(t, Kind::input_gradient);
          most = std::max(most, back + time_of(t, Kind::weight_gradient));
          back += t > 0 ? transfer(t, t - 1) : 0;
        }
      }
      return most;
    };
    for (int s = 0; s < stages_; ++s) {
      double free = state.ranks[rank_of(s)].free;
      for (std::size_t k = f[s].size(); k < m; ++k) {
        const double head = std::max(free, s == 0 ? 0 : f[s - 1][k] + transfer(s - 1, s));
        const double time = time_of(s, Kind::forward);
        jobs[rank_of(s)].push_back({head, time, tails(s, Kind::forward)});
        f[s].push_back(free = head + time);
      }
    }
    for (int s = stages_ - 1; s >= 0; --s) {
      std::vector<double>& made = f[stages_ + s];
      double free = state.ranks[rank_of(s)].free;
      for (std::size_t k = made.size(); k < m; ++k) {
        const double next = s + 1 == stages_ ? 0 : f[stages_ + s + 1][k] + transfer(s + 1, s);
        const double head = std::max({free, f[s][k], next});
        const double time = time_of(s, Kind::input_gradient);
        jobs[rank_of(s)].push_back({head, time, tails(s, Kind::input_gradient)});
        made.push_back(free = head + time);
      }
      free = state.ranks[rank_of(s)].free;
      for (auto k = static_cast<std::size_t>(state.stages[s].w); k < m; ++k) {
        const double head = std::max(free, made[k]);
        const double time = time_of(s, Kind::weight_gradient);
        jobs[rank_of(s)].push_back({head, time, 0});
        free = head + time;
      }
    }
    double bound = 0;
    for (int rank = 0; rank < ranks_; ++rank) {
      bound = std::max({bound, state.ranks[rank].free, alone(jobs[rank])});
    }
    return bound;
  }

  static double alone(std::vector<Job>& jobs) {
    double now = 0;
    double last = 0;
    for (;;) {
      Job* best = nullptr;
      double next = 1e300;
      for (Job& job : jobs) {
        if (job.time > 0 && job.head <= now && (best == nullptr || job.tail > best->tail)) {
          best = &job;
        } else if (job.time > 0 && job.head > now) {
          next = std::min(next, job.head);
        }
      }
      if (best == nullptr && next == 1e300) {
        return last;
      }
      if (best == nullptr) {
        now = next;
        continue;
      }
      const double run = std::min(best->time, next - now);
      now = run == best->time ? now + run : next;
      best->time -= run;
      last = std::max(last, now + best->time + best->tail);
    }
  }

  bool dominated(const State& state) {
    std::vector<int> key;
    std::vector<double> times;
    for (const RankState& rank : state.ranks) {
      key.push_back(rank.stage * 16 + static_cast<int>(rank.kind) * (rank.stage < 0 ? 0 : 1));
      times.push_back(rank.free);
      for (int back = 2; transfers_ && back <= problem_.receive_ahead + 1; ++back) {
        const auto place = static_cast<std::ptrdiff_t>(rank.ends.size()) - back;
        times.push_back(place < 0 ? 0 : rank.ends[static_cast<std::size_t>(place)]);
      }
    }
    for (int s = 0; s < stages_; ++s) {
      const Done& done = state.stages[s];
      key.insert(key.end(), {done.f, done.i, done.w});
      if (s + 1 < stages_) {
        add_waiting(times, state.made[s], state.stages[s + 1].f);
      }
      if (s > 0) {
        add_waiting(times, state.made[stages_ + s], state.stages[s - 1].i);
      }
    }
    if (transfers_) {
      times.insert(times.end(), state.way_free.begin(), state.way_free.end());
    }
    std::vector<std::vector<double>>& met = met_[key];
    for (const std::vector<double>& other : met) {
      if (std::equal(other.begin(), other.end(), times.begin(),
                     [](double a, double b) { return a <= b; })) {
        return true;
      }
    }
    met.push_back(std::move(times));
    return false;
  }

  static void add_waiting(std::vector<double>& times, const std::vector<double>& made, int taken) {
    times.insert(times.end(), made.begin() + taken, made.end());
  }

  const SearchProblem& problem_;
  const int stages_;
  const int ranks_;
  bool transfers_ = false;
  double best_;
  std::int64_t states_left_;
  std::map<std::vector<int>, std::vector<std::vector<double>>> met_;
};

}  // namespace lockflight::schedule
