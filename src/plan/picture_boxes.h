// What a timetable shows of a simulated step.

#pragma once

#include <vector>

#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/schedule.h"
#include "plan/palette.h"

namespace lockflight::plan {

struct PictureBox {
  enum class Part : std::uint8_t { whole, upper, lower };

  int rank = 0;
  double begin = 0;
  double end = 0;
  Opcode opcode = Opcode::compute;
  schedule::Action action;  ///< of a compute
  int shade = 0;            ///< of a compute: the how manieth stage of its rank it is of
  Part part = Part::whole;  ///< of the rank's line: the two of an overlapped pair share it
};

/// Computes, tied sums and updates, those of a rank in the order of time.  What takes no time is
/// left out.  Both of an overlapped pair last from the begin of the first to the end of the last.
std::vector<PictureBox> picture_boxes(const schedule::Schedule& schedule,
                                      const SimulatedStep& step);

struct PictureArrow {
  int from = 0;  ///< a rank
  int to = 0;
  double begin = 0;
  double end = 0;
  bool gradient = false;
};

/// Every transfer of an activation or a gradient, in the order of the sending ranks.
std::vector<PictureArrow> picture_arrows(const SimulatedStep& step);

}  // namespace lockflight::plan
