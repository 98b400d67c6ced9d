#include "schedule/order_clock.h"

#include <algorithm>
#include <cstddef>

namespace lockflight::schedule {

Ways::Ways(const SearchProblem& problem)
    : stages_(problem.placement.stages()),
      crosses_(2 * static_cast<std::size_t>(stages_)),
      time_(crosses_.size()),
      taker_(crosses_.size()) {
  for (int stage = 0; stage + 1 < stages_; ++stage) {
    const int here = problem.placement.rank_of(stage);
    const int next = problem.placement.rank_of(stage + 1);
    const int back = stages_ + stage + 1;
    taker_[stage] = next;
    taker_[back] = here;
    crosses_[stage] = crosses_[back] = here == next ? 0 : 1;
    if (here != next && !problem.forward_transfers.empty()) {
      time_[stage] = problem.forward_transfers[stage];
    }
    if (here != next && !problem.backward_transfers.empty()) {
      time_[back] = problem.backward_transfers[stage];
    }
  }
}

OrderClock::OrderClock(const SearchProblem& problem)
    : problem_(problem),
      ways_(problem),
      passages_(static_cast<std::size_t>(ways_.count()) * problem.micro_batches),
      way_free_(ways_.count()),
      runs_(problem.placement.ranks()),
      awaited_(runs_.size()),
      forwards_(problem.times.size()),
      backwards_(problem.times.size()) {}

double OrderClock::run(const Order& order) {
  reset(order);
  for (int rank = problem_.placement.ranks() - 1; rank >= 0; --rank) {
    ready_.push_back(rank);
  }
  while (!ready_.empty()) {
    const int rank = ready_.back();
    ready_.pop_back();
    awaited_[rank] = -1;
    while (runs_[rank].size() < order[rank].size() && take(order[rank][runs_[rank].size()], rank)) {
    }
  }
  double last = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    if (runs_[rank].size() < order[rank].size()) {
      return kNever;
    }
    last = std::max(last, order[rank].empty() ? 0 : runs_[rank].back().end);
  }
  return last;
}

void OrderClock::reset(const Order& order) {
  std::ranges::fill(passages_, Passage{});
  std::ranges::fill(way_free_, 0.0);
  std::ranges::fill(forwards_, 0);
  std::ranges::fill(backwards_, 0);
  std::ranges::fill(awaited_, -1);
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    runs_[rank].clear();
    runs_[rank].reserve(order[rank].size());
  }
}

// Runs a rank's next action; false if its input is not made yet.
bool OrderClock::take(const Turn& turn, int rank) {
  std::vector<Run>& runs = runs_[rank];
  double begin = runs.empty() ? 0 : runs.back().end;
  Run run;
  const int input = ways_.input_of(turn);
  if (input != Ways::kNone && !await_input(turn, rank, input, begin, run)) {
    return false;
  }
  run.end = begin + duration(turn.kind, problem_.times[turn.stage]);
  const int output = ways_.output_of(turn);
  if (turn.kind != ActionKind::weight_gradient) {
    const int micro_batch = count(turn)++;
    if (output != Ways::kNone) {
      hand_over(output, micro_batch, run.end, {rank, static_cast<int>(runs.size())});
    }
  }
  runs.push_back(run);
  return true;
}

bool OrderClock::await_input(const Turn& turn, int rank, int way, double& begin, Run& run) {
  const int number = way * problem_.micro_batches + count(turn);
  const Passage& passage = passages_[number];
  if (passage.time < 0) {
    awaited_[rank] = number;
    return false;
  }
  double there = passage.time;
  Cause cause = Cause::input;
  if (ways_.crosses(way)) {
    const std::vector<Run>& runs = runs_[rank];
    const auto ahead = static_cast<std::size_t>(problem_.receive_ahead) + 1;
    const double posted = runs.size() < ahead ? 0 : runs[runs.size() - ahead].end;
    const double ready = std::max(there, way_free_[way]);
    cause = posted > ready ? Cause::post : Cause::input;
    there = way_free_[way] = std::max(ready, posted) + ways_.time(way);
  }
  if (there > begin) {
    begin = there;
    run.cause = cause;
    run.maker = passage.maker;
  }
  return true;
}

void OrderClock::hand_over(int way, int micro_batch, double time, Place maker) {
  const int number = way * problem_.micro_batches + micro_batch;
  passages_[number] = {.time = time, .maker = maker};
  const int taker = ways_.taker(way);
  if (awaited_[taker] == number) {
    ready_.push_back(taker);
  }
}

double OrderClock::mean_end() const {
  double sum = 0;
  std::size_t count = 0;
  for (const std::vector<Run>& runs : runs_) {
    for (const Run& run : runs) {
      sum += run.end;
    }
    count += runs.size();
  }
  return sum / static_cast<double>(count);
}

std::vector<std::size_t> OrderClock::over_by(double time) const {
  std::vector<std::size_t> counts;
  for (const std::vector<Run>& runs : runs_) {
    const auto later = std::ranges::upper_bound(runs, time, {}, &Run::end);
    counts.push_back(static_cast<std::size_t>(later - runs.begin()));
  }
  return counts;
}

void OrderClock::find_critical_path(std::vector<Place>& path) const {
  path.clear();
  Place place;
  double last = -1;
  for (std::size_t rank = 0; rank < runs_.size(); ++rank) {
    if (!runs_[rank].empty() && runs_[rank].back().end > last) {
      last = runs_[rank].back().end;
      place = {static_cast<int>(rank), static_cast<int>(runs_[rank].size()) - 1};
    }
  }
  while (place.position >= 0) {
    path.push_back(place);
    const Run& run = runs_[place.rank][place.position];
    switch (run.cause) {
      case Cause::rank:
        --place.position;
        break;
      case Cause::input:
        place = run.maker;
        break;
      case Cause::post:
        place.position -= problem_.receive_ahead + 1;
        break;
    }
  }
}

}  // namespace lockflight::schedule
