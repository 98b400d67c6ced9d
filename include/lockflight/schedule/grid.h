// A schedule drawn for the terminal: time runs to the right in slots, one line per rank.
//
//   rank 0  F0 F1 .  .  .  B0--- B1---
//   rank 1  .  F0 F1 B0--- B1--- .  .

#pragma once

#include <string>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

struct GridOptions {
  // How many slots a stage's F, I and W take; B takes those of I and W.
  int forward = 1;
  int input_gradient = 1;
  int weight_gradient = 1;
  bool colour = false;  // ANSI colours by kind
  /// Room for a line, in characters; 0 for any length. A drawing that is too wide loses the gaps
  /// between its slots; if that is not enough, it is cut into blocks, one below the other.
  int columns = 0;
};

/// Each action begins as early as its inputs allow. A label is the kind and the micro-batch, with
/// the stage before it where ranks hold several; a point is an idle slot.
/// Throws InvalidArgument if an action takes less than one slot, PlanError if the schedule can
/// never finish.
std::string draw_grid(const Schedule& schedule, const GridOptions& options = {});

}  // namespace lockflight::schedule
