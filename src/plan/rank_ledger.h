// What a simulated rank does with its time, and what it keeps.

#pragma once

#include <cstdint>
#include <map>

#include "lockflight/plan/simulate.h"

namespace lockflight::plan {

/// The time of an event, and how it came to that.
struct EventTime {
  static constexpr double kNotYet = -1;

  double time = kNotYet;
  double ready = 0;  ///< from when on only the transfer in front of the event was waited for
};

struct LedgerOptions {
  int stages = 1;       ///< of the rank, that a micro-batch goes through
  bool keeps = false;   ///< forwards keep something for a backward
  bool memory = false;  ///< write down every change
};

/// Calls come in the order of the rank's compute stream.
class RankLedger {
 public:
  explicit RankLedger(const LedgerOptions& options) : options_(options) {}

  /// The stream has stood at a wait for this event.
  void wait(const EventTime& event);

  /// An F, I, W, B or R; returns its end.
  /// `share`: what of its time it takes.
  double compute(const schedule::Action& action, const StageCosts& costs, double begin,
                 double share = 1);

  /// The update; one with a compute behind it does not end the rank's work.
  void update(double begin, double time);

  /// What is known of the rank, the idle time behind its last action and imbalance excepted.
  SimulatedRank result() const;

 private:
  void explain_idle(double begin, IdleTime& idle);
  void keep(const schedule::Action& action, const StageCosts& costs, double begin, double end);
  double in_shares(int activations) const;

  LedgerOptions options_;
  SimulatedRank rank_;
  // Runs of equal length are counted, not added up: ranks with equal work are then equally busy to
  // the last bit, and none of it is called imbalance.
  std::map<double, std::int64_t> runs_;  // by duration
  double update_ = 0;
  // Since the last action: what it is, is known when another one follows.
  double updated_ = 0;
  IdleTime idle_;
  double last_ = 0;              // when the last action or update was over
  schedule::Action recomputed_;  // the action before, if it is an R
  bool started_ = false;
  int activations_ = 0;  // micro-batches in one stage
  int peak_activations_ = 0;
  std::int64_t bytes_ = 0;
  EventTime awaited_;  // since the last action; of several the latest
};

/// Fills in each rank's idle time behind its last action, and imbalance.
void settle_idle_time(SimulatedStep& step);

}  // namespace lockflight::plan
