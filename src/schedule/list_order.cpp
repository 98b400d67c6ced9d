#include "schedule/list_order.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace lockflight::schedule {

using enum ActionKind;

ListOrders::ListOrders(const SearchProblem& problem)
    : problem_(problem),
      ways_(problem),
      saved_(saved_bytes(problem)),
      round_trip_(problem.times.size()) {
  double slowest = 0;
  for (int rank = 0; rank < problem.placement.ranks(); ++rank) {
    double time = 0;
    for (const int stage : problem.placement.stages_of(rank)) {
      time += duration(forward, problem.times[stage]) + duration(backward, problem.times[stage]);
    }
    slowest = std::max(slowest, time);
  }
  const auto stages = static_cast<int>(round_trip_.size());
  double trip = 0;
  for (int stage = stages - 1; stage >= 0; --stage) {
    round_trip_[stage] = slowest == 0 ? 0 : trip / slowest;
    trip += problem.times[stage].forward + problem.times[stage].input_gradient;
    if (stage > 0) {
      trip += ways_.time(stage - 1) + ways_.time(stages + stage);
    }
  }
}

Order ListOrders::make(const ListRule& rule, Random& random) {
  reset(rule);
  return run(random);
}

Order ListOrders::make(const ListRule& rule, Random& random, const Order& known,
                       const std::vector<std::size_t>& kept) {
  reset(rule);
  known_ = &known;
  kept_ = kept;
  return run(random);
}

Order ListOrders::run(Random& random) {
  while (!wakes_.empty()) {
    const Wake wake = wakes_.top();
    wakes_.pop();
    if (ranks_[wake.rank].free <= wake.time) {
      decide(wake.rank, wake.time, random);
    }
  }
  return std::move(order_);
}

void ListOrders::reset(const ListRule& rule) {
  const int ranks = problem_.placement.ranks();
  rule_ = rule;
  known_ = nullptr;
  kept_.assign(ranks, 0);
  order_.assign(ranks, {});
  stages_.assign(problem_.times.size(), {});
  ranks_.assign(ranks, {});
  made_.assign(static_cast<std::size_t>(ways_.count()) * problem_.micro_batches, kNever);
  way_free_.assign(ways_.count(), 0);
  for (int rank = 0; rank < ranks; ++rank) {
    ranks_[rank].most_kept = most_kept(rank, rule.depth);
    for (const int stage : problem_.placement.stages_of(rank)) {
      ranks_[rank].headroom = std::max(
          ranks_[rank].headroom, saved_[stage].after_input_gradient - saved_[stage].after_forward);
    }
    wakes_.push({.time = 0, .rank = rank});
  }
}

std::int64_t ListOrders::most_kept(int rank, double depth) const {
  double sum = 0;
  for (const int stage : problem_.placement.stages_of(rank)) {
    sum += 1 + depth * round_trip_[stage];
  }
  const auto stages = static_cast<double>(problem_.placement.stages_of(rank).size());
  const double most = stages * problem_.micro_batches;
  return std::isnan(sum) || sum > most ? static_cast<std::int64_t>(most)
                                       : std::llround(std::max(sum, stages));
}

void ListOrders::decide(int rank, double now, Random& random) {
  if (order_[rank].size() < kept_[rank]) {
    repeat(rank, now);
    return;
  }
  if (rule_.noise > 0 && random.next_uniform() < rule_.noise &&
      decide_by_chance(rank, now, random)) {
    return;
  }
  Candidate up;
  Candidate down;
  double next = kNever;
  bool wants_room = false;
  for (const int stage : problem_.placement.stages_of(rank)) {
    for (const ActionKind kind : {forward, input_gradient}) {
      const Turn turn{stage, kind};
      if (kind == forward ? !may_forward(stage, rank)
                          : stages_[stage].input_gradients == stages_[stage].forwards) {
        continue;
      }
      if (has_room(turn, rank)) {
        consider(kind == forward ? up : down, next, turn, rank, now);
      } else {
        wants_room = wants_room || arrival(turn, rank) <= now;
      }
    }
  }
  const int weights = stage_of_weight_gradient(rank);
  const bool too_many = ranks_[rank].put_off > rule_.backlog;
  const bool has_down = down.turn.stage >= 0;
  if (has_down && !(rule_.forwards_first && up.turn.stage >= 0)) {
    commit(down.turn, rank, now);
  } else if (weights >= 0 && too_many) {
    commit({weights, weight_gradient}, rank, now);
  } else if (up.turn.stage >= 0) {
    commit(up.turn, rank, now);
  } else if (weights >= 0 &&
             (wants_room ||
              now + (1 - rule_.patience) * problem_.times[weights].weight_gradient <= next)) {
    commit({weights, weight_gradient}, rank, now);
  } else if (next < kNever) {
    wakes_.push({.time = next, .rank = rank});
  }
}

// What the known order has next.
void ListOrders::repeat(int rank, double now) {
  const Turn& turn = (*known_)[rank][order_[rank].size()];
  const double there = arrival(turn, rank);
  if (there <= now) {
    commit(turn, rank, now);
  } else if (there < kNever) {
    wakes_.push({.time = there, .rank = rank});
  }
}

// Any of what could begin; false if that is nothing.
bool ListOrders::decide_by_chance(int rank, double now, Random& random) {
  std::vector<Turn> turns;
  for (const int stage : problem_.placement.stages_of(rank)) {
    const StageState& state = stages_[stage];
    const std::array<std::pair<ActionKind, bool>, 3> kinds = {{
        {forward, may_forward(stage, rank)},
        {input_gradient, state.input_gradients < state.forwards},
        {weight_gradient, state.weight_gradients < state.input_gradients},
    }};
    for (const auto& [kind, allowed] : kinds) {
      const Turn turn{stage, kind};
      if (allowed && has_room(turn, rank) && arrival(turn, rank) <= now) {
        turns.push_back(turn);
      }
    }
  }
  if (turns.empty()) {
    return false;
  }
  commit(turns[random.next_below(turns.size())], rank, now);
  return true;
}

// Keeps the best of what is there, and when the next one comes.
void ListOrders::consider(Candidate& best, double& next, const Turn& turn, int rank,
                          double now) const {
  const double there = arrival(turn, rank);
  if (there > now) {
    next = std::min(next, there);
  } else if (best.turn.stage < 0 || before(turn, best.turn)) {
    best = {turn, there};
  }
}

// Of two of one kind.
bool ListOrders::before(const Turn& a, const Turn& b) const {
  switch (rule_.choice) {
    case ListRule::Choice::deepest:
      return a.stage > b.stage;
    case ListRule::Choice::oldest:
      return std::pair(number(a), -a.stage) < std::pair(number(b), -b.stage);
    case ListRule::Choice::groups:
      return rank_in_groups(a) < rank_in_groups(b);
  }
  return false;
}

std::pair<int, int> ListOrders::rank_in_groups(const Turn& turn) const {
  const int group = number(turn) / problem_.placement.ranks();
  return {group, turn.kind == forward ? turn.stage : -turn.stage};
}

int ListOrders::number(const Turn& turn) const {
  return turn.kind == forward ? stages_[turn.stage].forwards : stages_[turn.stage].input_gradients;
}

double ListOrders::arrival(const Turn& turn, int rank) const {
  const int way = ways_.input_of(turn);
  if (way == Ways::kNone) {
    return 0;
  }
  const double made = made_[static_cast<std::size_t>(way) * problem_.micro_batches + number(turn)];
  if (!ways_.crosses(way)) {
    return made;
  }
  const std::vector<double>& ends = ranks_[rank].ends;
  const auto ahead = static_cast<std::size_t>(problem_.receive_ahead) + 1;
  const double posted = ends.size() < ahead ? 0 : ends[ends.size() - ahead];
  return std::max({made, way_free_[way], posted}) + ways_.time(way);
}

// Micro-batches that have been in all stages of the rank need nothing more to come to their end.
// The oldest that has not is next: whether what it lacks is free then, after another forward.
bool ListOrders::may_forward(int stage, int rank) const {
  const std::vector<int>& stages = problem_.placement.stages_of(rank);
  const auto forwards = [&](int other) {
    return stages_[other].forwards + (other == stage ? 1 : 0);
  };
  if (forwards(stage) > problem_.micro_batches) {
    return false;
  }
  const RankState& state = ranks_[rank];
  const int oldest = forwards(stages.back());
  const bool begun = forwards(stages.front()) > oldest;
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  std::int64_t kept = 0;
  for (const int other : stages) {
    const int then = begun ? std::max(1, forwards(other) - oldest) : 0;
    bytes += then * saved_[other].after_forward;
    count += then;
    kept += forwards(other) - stages_[other].input_gradients;
  }
  if (!rule_.cautious) {
    return kept <= state.most_kept;
  }
  bytes = std::max(bytes, state.for_input_gradients + saved_[stage].after_forward);
  return bytes <= memory_limit(problem_, rank) - state.headroom &&
         std::max(count, kept) <= state.most_kept;
}

// Whether it needs no W to be run before it.
bool ListOrders::has_room(const Turn& turn, int rank) const {
  const RankState& state = ranks_[rank];
  const SavedBytes& saved = saved_[turn.stage];
  const std::int64_t more = turn.kind == forward ? saved.after_forward
                            : turn.kind == input_gradient
                                ? saved.after_input_gradient - saved.after_forward
                                : 0;
  return more <= 0 || more <= memory_limit(problem_, rank) - state.for_input_gradients -
                                  state.for_weight_gradients;
}

// The stage that has put off the most; -1 if none has.
int ListOrders::stage_of_weight_gradient(int rank) const {
  int best = -1;
  int most = 0;
  for (const int stage : problem_.placement.stages_of(rank)) {
    const int count = stages_[stage].input_gradients - stages_[stage].weight_gradients;
    if (count > most) {
      most = count;
      best = stage;
    }
  }
  return best;
}

void ListOrders::commit(const Turn& turn, int rank, double now) {
  RankState& state = ranks_[rank];
  const SavedBytes& saved = saved_[turn.stage];
  const int input = ways_.input_of(turn);
  if (input != Ways::kNone && ways_.crosses(input)) {
    way_free_[input] = arrival(turn, rank);
  }
  state.free = now + duration(turn.kind, problem_.times[turn.stage]);
  const int output = ways_.output_of(turn);
  if (output != Ways::kNone) {
    made_[static_cast<std::size_t>(output) * problem_.micro_batches + number(turn)] = state.free;
    wakes_.push({.time = state.free, .rank = ways_.taker(output)});
  }
  if (turn.kind == forward) {
    ++stages_[turn.stage].forwards;
    state.for_input_gradients += saved.after_forward;
  } else if (turn.kind == input_gradient) {
    ++stages_[turn.stage].input_gradients;
    ++state.put_off;
    state.for_input_gradients -= saved.after_forward;
    state.for_weight_gradients += saved.after_input_gradient;
  } else {
    ++stages_[turn.stage].weight_gradients;
    --state.put_off;
    state.for_weight_gradients -= saved.after_input_gradient;
  }
  state.ends.push_back(state.free);
  order_[rank].push_back(turn);
  wakes_.push({.time = state.free, .rank = rank});
}

}  // namespace lockflight::schedule
