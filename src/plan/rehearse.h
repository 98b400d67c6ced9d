// What a step will ask of memory, found by running it on the meta device.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockflight/device/meta_device.h"
#include "lockflight/nn/model.h"
#include "plan/job.h"

namespace lockflight::plan {

struct Rehearsal {
  std::vector<std::vector<BufferLife>> buffers;  ///< of every rank
  std::optional<std::uint32_t> drawing_layer;    ///< a layer that asked for random numbers
};

/// Runs the job's program, up to the update phase, on one meta device for every rank, with the
/// executor that will run it for real: so these are, in the same order, the tensors that the step
/// asks for.  Computes nothing and takes no memory of the model's size.  BufferLife::action is the
/// number of the instruction, or -1 for what the step takes before the first.  Throws what the
/// layers throw.
Rehearsal rehearse(nn::Model& model, const std::vector<StagePlan>& stages, const Job& job);

}  // namespace lockflight::plan
