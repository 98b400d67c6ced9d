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
inline std::optional<Boundary> input_of(const schedule::Action& action, int stages) {
  if (action.kind == schedule::ActionKind::forward && action.stage > 0) {
    return Boundary{Boundary::Kind::activation, action.stage - 1, action.micro_batch};
  }
  if (gives_input_gradient(action.kind) && action.stage + 1 < stages) {
    return Boundary{Boundary::Kind::gradient, action.stage, action.micro_batch};
  }
  return std::nullopt;
}

/// What an action makes for another stage.
inline std::optional<Boundary> output_of(const schedule::Action& action, int stages) {
  if (action.kind == schedule::ActionKind::forward && action.stage + 1 < stages) {
    return Boundary{Boundary::Kind::activation, action.stage, action.micro_batch};
  }
  if (gives_input_gradient(action.kind) && action.stage > 0) {
    return Boundary{Boundary::Kind::gradient, action.stage - 1, action.micro_batch};
  }
  return std::nullopt;
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
