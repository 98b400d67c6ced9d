// A step's timetable as a picture: time runs to the right, one line per rank, a box for every
// action with the number of its micro-batch, and beneath it what every rank keeps.

#pragma once

#include <string>

#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

struct RenderOptions {
  std::string note;        ///< more for the title than the schedule's name and size
  bool seconds = false;    ///< times are in seconds, and shown with a unit
  bool transfers = false;  ///< draw every transfer as an arrow
};

/// A self-contained SVG with a title and a description for those who do not see it.  The same bytes
/// for the same arguments, about as many as there are actions.
///   - Colours are those of the kinds F, I, W and B, darkest for the first stage of a rank; they
///     stay apart in greyscale and for the colour-blind.
///   - An R is a box in outline, dashed.
///   - The two actions of an overlapped pair share a box, the forward above.  A weight update is a
///     black box, a sum of tied gradients an empty one, where they take time.
///   - Where boxes are too small for numbers, there are none.
///   - The curves are in bytes if the step has any, else in micro-batches through all stages of a
///     rank; where nothing is kept, there are none.
///   - The idle share is given in both definitions: up to a common end ("barrier"), and between
///     each rank's first and last action ("span").
///   step   simulated with spans and memory, from a program of this schedule
std::string render_svg(const schedule::Schedule& schedule, const SimulatedStep& step,
                       const RenderOptions& options = {});

}  // namespace lockflight::plan
