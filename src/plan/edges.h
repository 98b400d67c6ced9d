// What crosses from stage to stage, and over which channel.

#pragma once

#include <optional>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// What an action of F, I, W or B needs from another stage, and what it makes for one.
std::optional<Boundary> input_of(const schedule::Action& action, int stages);
std::optional<Boundary> output_of(const schedule::Action& action, int stages);

/// The stages at the two ends of a boundary's way.
int maker_stage(const Boundary& boundary);
int taker_stage(const Boundary& boundary);

/// Two for each pair of neighbouring stages: 0 … 2·(stages − 1) − 1.
int channel_of(const Boundary& boundary);

/// Transfers of an edge match in order.  Throws PlanError if two stages on different ranks have
/// different orders of the micro-batches that pass between them.  The schedule is valid.
void check_edges(const schedule::Schedule& schedule);

}  // namespace lockflight::plan
