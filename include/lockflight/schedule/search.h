// The search: an order made for given times of stages and transfers within given memory, instead of
// one of the fixed orders, each of which is the best for certain ratios of times only.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lockflight/schedule/schedule.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::schedule {

/// Whether that is "auto", upper or lower case: what is asked for instead of a schedule's name.
bool is_auto(std::string_view name);

/// What a stage keeps of one micro-batch.
struct SavedBytes {
  std::int64_t after_forward = 0;         ///< until its I
  std::int64_t after_input_gradient = 0;  ///< from its I until its W; nothing is kept after B
};

/// Times are in one unit of the caller's choice.
struct SearchProblem {
  Placement placement;
  int micro_batches = 1;
  std::vector<StageTimes> times;  ///< of every stage
  /// For every stage but the last, what passes between it and the next one: a stage's output, and
  /// back the output's gradient.  Empty: no transfer takes time.  On one rank none does.
  std::vector<double> forward_transfers;
  std::vector<double> backward_transfers;
  /// A transfer begins when its bytes are made, the one before it on the same way is over, and it
  /// is posted: so many actions of the receiving rank ahead of the one that takes the bytes, as
  /// plan::LowerOptions has it.
  int receive_ahead = 1;
  std::vector<SavedBytes> saved;            ///< of every stage; empty: nothing counts
  std::vector<std::int64_t> memory_limits;  ///< of every rank, for what is saved; empty: none
};

struct SearchEffort {
  /// So many actions are timed, in orders that are tried out; about 20 ns each.
  std::int64_t actions = 400'000'000;
  /// At most so many orders are: small problems need no more.
  std::int64_t orders = 400'000;
};

struct FoundOrder {
  Schedule schedule;  ///< of F, I, W and B; its name is "auto"
  double makespan = 0;
  double lower_bound = 0;  ///< no order is faster, whatever the memory
};

/// The fastest order that is found: of the generators' orders with this placement, of list
/// schedules under many rules, and of what simulated annealing makes of the best of them. Stops
/// when an order meets the lower bound.  The same problem and effort give the same order. Throws
/// InvalidArgument if a vector has a wrong length, or a time or a size is negative or no number;
/// PlanError, naming a rank and the least it needs, if what one micro-batch saves on a rank is
/// beyond the rank's limit, so that no order fits.
FoundOrder search(const SearchProblem& problem, const SearchEffort& effort = {});

/// When the step ends if ranks run in the schedule's order: by the rules of the problem, whose
/// memory limits do not matter here.  Throws PlanError if ranks wait for each other in a circle;
/// InvalidArgument if the schedule is not of F, I, W and B one after the other, in ascending order
/// of micro-batches in all that a stage does.
double makespan(const Schedule& schedule, const SearchProblem& problem);

}  // namespace lockflight::schedule
