// A schedule: for every rank the order in which it runs its actions. A plain value; nothing here
// knows a device or a thread.

#pragma once

#include <string>
#include <vector>

#include "lockflight/schedule/action.h"
#include "lockflight/schedule/placement.h"

namespace lockflight::schedule {

/// What a generator needs to know.
struct PipelineSize {
  int ranks = 1;
  int micro_batches = 1;
  int stages_per_rank = 0;  // 0: as few as the schedule allows, two in V placement and else one
  int group = 0;  // micro-batches that go through a rank's stages together; 0: as many as ranks
};

/// One place in a rank's order: nothing is an idle slot (it only aligns the columns of a file), one
/// action is the common case, two are a forward and a backward that run overlapped.
using Cell = std::vector<Action>;

/// True if what a cell computes is a forward and then a backward, which run overlapped.
bool is_overlapped(const Cell& cell);

struct Schedule {
  std::string name;
  int micro_batches = 0;
  Placement placement;
  std::vector<std::vector<Cell>> rows;  // one per rank, in the order of execution

  int ranks() const { return placement.ranks(); }
  int stages() const { return placement.stages(); }

  /// The actions of a rank in order, without idle slots; overlapped ones as they are written.
  std::vector<Action> actions(int rank) const;

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// True if any action is a transfer or one of UNSHARD, RESHARD, REDUCE_GRAD: PyTorch's dialect
/// "compute and comms". Such a schedule is run as it is, a schedule of F, I, W and B is lowered.
bool is_lowered(const Schedule& schedule);

/// True if any action is I, W or B.  A schedule without one evaluates, it does not train.
bool has_backward(const Schedule& schedule);

/// For every rank the largest number of forwards whose backward (W where it is split) is still to
/// come, in the order of execution: how many micro-batches' activations of one stage the rank keeps
/// at once. A forward that no backward follows keeps nothing.
std::vector<int> peak_activations(const Schedule& schedule);

/// What is wrong with a schedule, one sentence each; empty if nothing is. Every forward (in two-way
/// placement of the micro-batches of the stage's copy) runs once on the rank of its stage, every
/// backward too (as B, or as I and W) or none at all; a micro-batch's F comes before its I, W and
/// B, its I before its W; and each stage's weight gradients are in ascending order of
/// micro-batches, since they are summed in that order. Whether ranks wait for each other in a
/// circle is not asked here: see timetable.h.
std::vector<std::string> validate(const Schedule& schedule);

}  // namespace lockflight::schedule
