// What the actions and transfers of a step cost.

#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::plan {

/// What one micro-batch costs in one stage.  All times here are in one unit of the caller's choice.
struct StageCosts {
  schedule::StageTimes times;
  double recompute = 0;                  ///< of times.input_gradient, where an R takes it over
  double output_bytes = 0;               ///< handed to the next stage
  double output_gradient_bytes = 0;      ///< handed back by it
  std::int64_t saved_bytes = 0;          ///< kept from the forward to the backward, or to I
  std::int64_t saved_bytes_after_i = 0;  ///< kept from I to W
};

/// A transfer takes latency + bytes / bandwidth.
struct LinkCosts {
  double latency = 0;
  double bandwidth = std::numeric_limits<double>::infinity();  ///< bytes per unit of time

  double time(double bytes) const { return latency + bytes / bandwidth; }
};

/// What transfers wait for besides their two ends.  Those that share a way use it one after the
/// other, in the order in which both ends were there; those ready at once in that of their
/// channels.  None overtakes another one.
enum class LinkSharing : std::uint8_t {
  none,  ///< every edge has a way of its own
  pair,  ///< all transfers from one rank to another one share a way
  rank,  ///< all transfers out of a rank share its way out, all into a rank its way in
};

struct StepCosts {
  std::vector<StageCosts> stages;                  ///< one for each
  LinkCosts link;                                  ///< from any rank to any other
  std::map<std::pair<int, int>, LinkCosts> links;  ///< but for these: (from, to)
  LinkSharing sharing = LinkSharing::none;
  /// What an overlapped pair takes, in parts of what its two actions take one after the other.
  double overlap = 1;
  double tied_bytes = 0;  ///< a tied sum takes as long as their transfer, and shares no way
  /// The same for the sum over the two copies of a part of the model, by part; empty: no
  /// bytes.
  std::vector<double> copy_bytes;
  /// For the host of a rank to enqueue an action: a compute, send, receive, tied sum, norm or
  /// update, with the events and the memory that belong to it.  It enqueues the whole program in
  /// order and without a pause, and nothing starts before it is enqueued.
  double host = 0;
  std::vector<double> update;  ///< of a rank's parameters, by rank; empty: takes no time
};

/// Throws InvalidArgument if costs do not belong to a program of this many ranks and stages, or one
/// is negative or no number.
void check(const StepCosts& costs, const Program& program);

}  // namespace lockflight::plan
