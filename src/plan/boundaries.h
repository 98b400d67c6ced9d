// Which boundaries actions need and make, and between which stages a boundary crosses.

#pragma once

#include <optional>
#include <string>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

inline bool gives_input_gradient(schedule::ActionKind kind) {
  return kind == schedule::ActionKind::backward || kind == schedule::ActionKind::input_gradient;
}

inline bool gives_weight_gradient(schedule::ActionKind kind) {
  return kind == schedule::ActionKind::backward || kind == schedule::ActionKind::weight_gradient;
}

/// What an action needs from another stage.
inline std::optional<Boundary> input_of(const schedule::Action& action,
                                        const schedule::Placement& placement) {
  if (action.kind == schedule::ActionKind::forward && !placement.begins_copy(action.stage)) {
    return Boundary{Boundary::Kind::activation, action.stage - 1, action.micro_batch};
  }
  if (gives_input_gradient(action.kind) && !placement.ends_copy(action.stage)) {
    return Boundary{Boundary::Kind::gradient, action.stage, action.micro_batch};
  }
  return std::nullopt;
}

/// What an action makes for another stage.
inline std::optional<Boundary> output_of(const schedule::Action& action,
                                         const schedule::Placement& placement) {
  if (action.kind == schedule::ActionKind::forward && !placement.ends_copy(action.stage)) {
    return Boundary{Boundary::Kind::activation, action.stage, action.micro_batch};
  }
  if (gives_input_gradient(action.kind) && !placement.begins_copy(action.stage)) {
    return Boundary{Boundary::Kind::gradient, action.stage - 1, action.micro_batch};
  }
  return std::nullopt;
}

/// Whether the placement has a boundary behind that stage: the last one of a copy hands on nothing.
inline bool has_boundary(const schedule::Placement& placement, int stage) {
  return stage >= 0 && stage < placement.stages() && !placement.ends_copy(stage);
}

inline int maker_stage(const Boundary& b) {
  return b.kind == Boundary::Kind::activation ? b.stage : b.stage + 1;
}
inline int taker_stage(const Boundary& b) {
  return b.kind == Boundary::Kind::activation ? b.stage + 1 : b.stage;
}

/// "the output of stage 2 for micro-batch 5", "the gradient of the output of stage 2 for …"
std::string describe(const Boundary& boundary);

}  // namespace lockflight::plan
