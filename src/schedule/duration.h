// How long an action takes by the times of its stage.

#pragma once

#include "lockflight/schedule/action.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::schedule {

/// Of an F, I, W or B.
inline double duration(ActionKind kind, const StageTimes& times) {
  switch (kind) {
    case ActionKind::forward:
      return times.forward;
    case ActionKind::input_gradient:
      return times.input_gradient;
    case ActionKind::weight_gradient:
      return times.weight_gradient;
    default:
      return times.input_gradient + times.weight_gradient;
  }
}

}  // namespace lockflight::schedule
