#include "plan/rank_ledger.h"

#include <algorithm>
#include <utility>

#include "schedule/duration.h"

namespace lockflight::plan {

using schedule::ActionKind;

namespace {

// `ahead`: an R has done a part of it.
double duration(ActionKind kind, const StageCosts& costs, bool ahead) {
  if (kind == ActionKind::recompute) {
    return costs.recompute;
  }
  schedule::StageTimes times = costs.times;
  times.input_gradient -= ahead ? costs.recompute : 0;
  return schedule::duration(kind, times);
}

bool is_of_one_micro_batch(const schedule::Action& a, const schedule::Action& b) {
  return a.stage == b.stage && a.micro_batch == b.micro_batch;
}

// What is left of all the time beside `busy`.  Sums of times are rounded, so without any idle time
// it may come out below 0.
double idle_share(double busy, double all) { return all == 0 ? 0 : std::max(0.0, 1 - busy / all); }

}  // namespace

void RankLedger::wait(const EventTime& event) {
  if (event.time >= awaited_.time) {
    awaited_ = event;
  }
}

double RankLedger::compute(const schedule::Action& action, const StageCosts& costs, double begin,
                           double share) {
  const bool ahead = is_of_one_micro_batch(recomputed_, action);
  recomputed_ = action.kind == ActionKind::recompute ? action : schedule::Action{};
  const double time = duration(action.kind, costs, ahead) * share;
  const double end = begin + time;
  if (!std::exchange(started_, true)) {
    rank_.begin = begin;
  }
  explain_idle(begin, idle_);
  rank_.idle.dependency += idle_.dependency;
  rank_.idle.transfer += idle_.transfer;
  rank_.idle.host += idle_.host;
  rank_.updating += updated_;
  idle_ = {};
  updated_ = 0;
  ++runs_[time];
  rank_.end = last_ = end;
  if (options_.keeps) {
    keep(action, costs, begin, end);
  }
  return end;
}

void RankLedger::update(double begin, double time) {
  update_ += time;
  updated_ += time;
  explain_idle(begin, idle_);
  last_ = begin + time;
}

// From the end of the last action or update to the begin of this one.
void RankLedger::explain_idle(double begin, IdleTime& idle) {
  const double over = std::clamp(awaited_.time, last_, begin);
  const double ready = std::clamp(awaited_.ready, last_, over);
  idle.dependency += ready - last_;
  idle.transfer += over - ready;
  idle.host += begin - over;
  awaited_ = {};
}

// A forward's bytes are there from its begin on, and go at the end of the backward.
void RankLedger::keep(const schedule::Action& action, const StageCosts& costs, double begin,
                      double end) {
  double time = end;
  switch (action.kind) {
    case ActionKind::recompute:
      return;  // its bytes are the backward's
    case ActionKind::forward:
      time = begin;
      ++activations_;
      bytes_ += costs.saved_bytes;
      break;
    case ActionKind::input_gradient:
      bytes_ -= costs.saved_bytes - costs.saved_bytes_after_i;
      break;
    case ActionKind::weight_gradient:
      --activations_;
      bytes_ -= costs.saved_bytes_after_i;
      break;
    default:
      --activations_;
      bytes_ -= costs.saved_bytes;
  }
  peak_activations_ = std::max(peak_activations_, activations_);
  rank_.peak_bytes = std::max(rank_.peak_bytes, bytes_);
  if (options_.memory) {
    rank_.memory.push_back({.time = time, .activations = in_shares(activations_), .bytes = bytes_});
  }
}

double RankLedger::in_shares(int activations) const {
  return static_cast<double>(activations) / options_.stages;
}

SimulatedRank RankLedger::result() const {
  SimulatedRank rank = rank_;
  for (const auto& [time, count] : runs_) {
    rank.computing += time * static_cast<double>(count);
  }
  rank.busy = rank.computing + update_;
  rank.peak_activations = in_shares(peak_activations_);
  return rank;
}

void settle_idle_time(SimulatedStep& step) {
  double busiest = 0;
  for (const SimulatedRank& rank : step.ranks) {
    busiest = std::max(busiest, rank.busy);
  }
  for (SimulatedRank& rank : step.ranks) {
    rank.idle.tail =
        std::max(0.0, (step.makespan - rank.end) - (rank.busy - rank.computing - rank.updating));
    double left = busiest - rank.busy;
    for (double* const part :
         {&rank.idle.dependency, &rank.idle.tail, &rank.idle.transfer, &rank.idle.host}) {
      const double share = std::min(left, *part);
      *part -= share;
      rank.idle.imbalance += share;
      left -= share;
    }
  }
}

double SimulatedStep::idle_barrier() const {
  double busy = 0;
  for (const SimulatedRank& rank : ranks) {
    busy += rank.busy;
  }
  return idle_share(busy, makespan * static_cast<double>(ranks.size()));
}

double SimulatedStep::idle_span() const {
  double computing = 0;
  double all = 0;
  for (const SimulatedRank& rank : ranks) {
    computing += rank.computing + rank.updating;
    all += rank.end - rank.begin;
  }
  return idle_share(computing, all);
}

}  // namespace lockflight::plan
