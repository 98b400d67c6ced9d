// From rehearsed steps to the memory of every rank.

#pragma once

#include <string>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/memory.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// The memory that a plan takes with the optimizer, devices and transport of the options: for its
/// training step and for evaluating as many micro-batches.  Reads the plan's stages, schedule,
/// program and batch.
std::vector<RankMemory> memory_of(nn::Model& model, const Plan& plan, const PlanOptions& options);

/// What a compute stream of such a device takes for itself.
std::size_t stream_workspace_bytes(DeviceKind kind);

/// A sentence about the rank whose arena is the largest, if it is larger than `limit_bytes`; else
/// nothing.
std::string beyond_limit(const std::vector<RankMemory>& memory, std::size_t limit_bytes);

}  // namespace lockflight::plan
