// What the ranks' memory holds in the course of a planned step.

#pragma once

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/simulate.h"

namespace lockflight::plan {

/// Gives the ranks of a simulated step of the plan, which was asked for spans, the bytes of their
/// memory: parameters, gradients and optimizer state, and from the begin of each F, I, W, B or R
/// the most that the step's tensors take before the next one begins, as they are in a rehearsal. So
/// the peak is the sum that the plan has.
///   model   the plan's, without memory
void set_memory(SimulatedStep& step, nn::Model& model, const Plan& plan);

}  // namespace lockflight::plan
