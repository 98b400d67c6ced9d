// What it takes to run a program, the same for every step.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/place.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/program.h"

namespace lockflight::plan {

struct Job {
  Program program;
  /// What each stage but the last hands on for one micro-batch; the last of a first copy would.
  std::vector<std::vector<TensorSpec>> boundaries;
  std::int64_t micro_batch_rows = 1;
  bool training = true;
  bool with_loss = true;
  /// For every rank the places of the step's tensors in the rank's block; empty: they are asked of
  /// the device.
  std::vector<Layout> layouts;
  /// A layer that draws random numbers: then steps with the same data differ.
  std::optional<std::uint32_t> drawing_layer;
};

/// Forwards and backwards of the plan's step, without layouts.
Job training_job(nn::Model& model, const Plan& plan);

struct ForwardSize {
  std::int64_t micro_batch_rows = 1;
  int micro_batches = 1;
  bool with_loss = true;
};

/// Forwards alone, of the first copy of the model if there are two; without layouts.
Job forward_job(nn::Model& model, const Plan& plan, const ForwardSize& size);

/// Rehearses the job on the meta device and gives it layouts, which are proved.  Returns for every
/// rank what the layouts were made from.
std::vector<std::vector<BufferLife>> lay_out(nn::Model& model, const std::vector<StagePlan>& stages,
                                             Job& job);

}  // namespace lockflight::plan
