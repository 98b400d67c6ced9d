// Local search: small changes to an order, also for the worse at first.

#pragma once

#include <cstdint>

#include "lockflight/core/random.h"
#include "schedule/order_clock.h"

namespace lockflight::schedule {

/// An order that is within the rules, and its makespan.
struct TimedOrder {
  Order order;
  double makespan = kNever;
};

struct Annealing {
  std::int64_t orders = 0;  ///< that are tried
  double heat = 0.01;       ///< what a change for the worse may cost at first, as a share
  double enough = 0;        ///< stop when the makespan is this
};

/// The best order found from `start` on. Changes move an action of a critical path ahead of the
/// ones that it waits for on its rank, or one of these behind it, or any action anywhere; where
/// transfers take time they also join an I and a W to a B and take them apart again.
/// Source: Van Laarhoven, Aarts, Lenstra 1992, "Job shop scheduling by simulated annealing".
TimedOrder anneal(const SearchProblem& problem, const TimedOrder& start, const Annealing& annealing,
                  Random& random);

}  // namespace lockflight::schedule
