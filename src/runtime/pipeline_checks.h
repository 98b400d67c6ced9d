// What must fit before a pipeline is made, and before it takes data.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/core/host_tensor.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "plan/job.h"

namespace lockflight::runtime {

/// Throws InvalidArgument if the plan is for another number of ranks.
void check_ranks(const Plan& plan, const World& world);

/// Throws PlanError if the plan was made for another model, or was changed by hand.
void check_layers(const nn::Model& model, const Plan& plan);

/// Throws PlanError if a rank's step or parameters take more than the plan has for them.
void check_memory(const Plan& plan, const plan::Job& training,
                  std::span<const ParameterSet::Entry> parameters);

/// Throws InvalidArgument, with the reason, if a step of training cannot be a CUDA graph.
void check_graph(World& world, const nn::Model& model, const plan::Job& training,
                 const PipelineOptions& options);

// These throw InvalidArgument, with `what` in front, unless the data are so many of the model's
// rows.

void check_rows(std::string_view what, const std::vector<HostTensor>& given,
                const std::vector<TensorSpec>& expected, std::int64_t rows);
void check_batch(std::string_view what, const Batch& batch, const nn::RowSpecs& expected,
                 std::int64_t rows);

/// Throws InvalidArgument unless these are whole micro-batches, one or more.
void check_micro_batches(std::string_view what, std::int64_t rows, std::int64_t micro_batch_rows);

}  // namespace lockflight::runtime
