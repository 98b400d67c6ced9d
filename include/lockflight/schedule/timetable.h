// When every action of a schedule runs, if stages take given times and transfers take none.

#pragma once

#include <span>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Times of one stage for one micro-batch, in a unit of the caller's choice. A whole backward takes
/// input_gradient + weight_gradient, an overlapped pair the sum of its parts.
struct StageTimes {
  double forward = 1;
  double input_gradient = 1;
  double weight_gradient = 1;
};

/// A cell of F, I, W, B or an overlapped pair; both actions of a pair begin and end together.
struct TimedCell {
  Cell cell;
  double begin = 0;
  double end = 0;
};

struct Timetable {
  std::vector<std::vector<TimedCell>> rows;  // one per rank, ascending times

  /// The end of the last action of all.
  double makespan() const;
  /// How long a rank computes.
  double busy(int rank) const;
  /// The bubble as a synchronous optimizer step sees it: the share of makespan · ranks in which
  /// nothing is computed. 0 for an empty timetable.
  double idle_share() const;
};

/// Runs every rank's cells in order, each as early as its inputs are there: a forward after that of
/// the stage before, an input gradient after that of the next stage and after its own forward, a
/// weight gradient after its own input gradient. Idle slots and transfers are left out.
///   times   one entry per stage
/// Throws InvalidArgument if times has another length; PlanError if an action is of no
/// stage, or if the order can never be run to its end, with the action at which each rank stands
/// and what it waits for.
Timetable make_timetable(const Schedule& schedule, std::span<const StageTimes> times);

/// The same times for all stages.
Timetable make_timetable(const Schedule& schedule, const StageTimes& times = {});

}  // namespace lockflight::schedule
