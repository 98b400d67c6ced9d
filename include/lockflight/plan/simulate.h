// When everything in a program happens if actions and transfers take given times, and why a rank is
// idle when it is.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/plan/step_costs.h"

namespace lockflight::plan {

/// What to keep beside the sums.
struct SimulateOptions {
  bool spans = false;
  bool memory = false;
};

/// A compute, send, receive, tied sum or update.  Both ends of a transfer have the same times.
struct SimulatedSpan {
  int rank = 0;
  int stream = 0;
  Opcode opcode = Opcode::compute;
  schedule::Action action;
  int peer = -1;
  int channel = -1;
  double begin = 0;
  double end = 0;
};

/// What a rank keeps from some moment on.
struct MemoryPoint {
  double time = 0;
  double activations = 0;  ///< in micro-batches through all stages of the rank
  std::int64_t bytes = 0;
};

/// Why a rank computes nothing.  Before each F, I, W, B and R, counted from the rank's action
/// before it:
///   dependency   until the other end of the last transfer that it waits for is ready: until what
///                it is to receive is made, as a rule;
///   transfer     until that transfer is over, be it on its way or held up by others;
///   host         until it is enqueued, if that comes last.
/// And besides:
///   tail         From the rank's last F, I, W or B to the common end, but for its update.
///   imbalance    Another rank has more work, so even without any waiting a common end leaves this
///                one idle for the difference between the largest busy time and its own.  This much
///                is taken out of dependency, then tail, transfer and host, until it is accounted
///                for.
/// The five add up to the makespan less the rank's busy time.
struct IdleTime {
  double dependency = 0;
  double transfer = 0;
  double imbalance = 0;
  double host = 0;
  double tail = 0;

  double total() const { return dependency + transfer + imbalance + host + tail; }
};

struct SimulatedRank {
  double begin = 0;      ///< of the first F, I, W, B or R
  double end = 0;        ///< of the last one
  double computing = 0;  ///< in F, I, W, B and R
  double busy = 0;       ///< computing, and in updates
  double updating = 0;   ///< in updates between begin and end, where several steps are simulated
  IdleTime idle;
  double peak_activations = 0;      ///< in micro-batches through all stages of the rank
  std::int64_t peak_bytes = 0;      ///< saved for backwards
  std::vector<MemoryPoint> memory;  ///< ascending times; if asked for
};

struct SimulatedStep {
  double makespan = 0;  ///< from the first enqueue to the end of all compute streams
  std::vector<SimulatedRank> ranks;
  std::vector<SimulatedSpan> spans;  ///< if asked for; those of a stream in order

  /// The share of makespan · ranks in which ranks are idle: a common end, as the update has it.
  double idle_barrier() const;
  /// The share of all ranks' intervals from begin to end in which they are idle: the definition of
  /// the zero-bubble papers.
  double idle_span() const;
};

/// Follows the streams of a program exactly: each runs its instructions in order, a wait stands
/// until its event is recorded, a transfer begins when both ends have come to it and holds both
/// streams, the norm of all gradients makes all ranks meet and takes no time.  Forwards whose
/// program has no backward keep nothing.  Takes time and memory in proportion to the program.
/// Throws InvalidArgument if a cost is missing, negative or no number; PlanError, with the place
/// at which each rank stands, if the program never comes to its end.
SimulatedStep simulate(const Program& program, const StepCosts& costs,
                       const SimulateOptions& options = {});

}  // namespace lockflight::plan
