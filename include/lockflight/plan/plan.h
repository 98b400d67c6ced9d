// A plan: which layers each stage has, where stages live, in what order they work.

#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/memory.h"
#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight {

struct MicroBatch {
  std::int64_t rows = 1;
};

struct PlanOptions {
  MicroBatch micro_batch;
  int micro_batches = 1;
  std::string schedule = "1f1b";
  /// Layers per stage; empty: cut so that the stage with the most floating-point operations has as
  /// few as possible.
  std::vector<int> split;
  /// Of every rank; 0: no limit.
  std::size_t memory_limit_bytes = 0;
  /// Tensors of a parameter's size that the optimizer keeps for it: 2 for AdamW, 1 for SGD.
  int optimizer_states = 2;
};

/// How many rows one step takes, and how they are cut.
struct BatchShape {
  std::int64_t micro_batch_rows = 1;
  int micro_batches = 1;

  std::int64_t rows() const { return micro_batch_rows * micro_batches; }
};

struct StagePlan {
  int rank = 0;
  int first_layer = 0;
  int layers = 0;
  std::string first_name;
  std::string last_name;
  std::int64_t parameters = 0;
  double forward_flops = 0;        ///< of one micro-batch
  std::size_t boundary_bytes = 0;  ///< what it hands to the next stage for one micro-batch
  /// Of one micro-batch, as the plan expects it; 0 where it does not know.
  double forward_seconds = 0;
  double input_gradient_seconds = 0;
  double weight_gradient_seconds = 0;

  double seconds() const {
    return forward_seconds + input_gradient_seconds + weight_gradient_seconds;
  }
};

struct Plan {
  std::vector<StagePlan> stages;
  schedule::Schedule schedule;
  plan::Program program;
  BatchShape batch_shape;
  std::vector<RankMemory> memory;      ///< of every rank
  std::size_t memory_limit_bytes = 0;  ///< of every rank; 0: no limit

  const BatchShape& batch() const { return batch_shape; }
  int ranks() const { return schedule.ranks(); }
};

namespace plan {

/// For every tie of the model the stages that hold its two copies.
std::vector<TiedStages> tied_stages(const nn::Model& model, const std::vector<StagePlan>& stages);

}  // namespace plan

/// Throws InvalidArgument if options, model and world do not fit: more stages than layers, a split
/// that does not add up to the layers, an unknown schedule; PlanError if a rank's memory is beyond
/// the limit, with the action and the tensors that make its peak, or if the program is not proved.
Plan make_plan(nn::Model& model, const World& world, const PlanOptions& options);

/// The table of stages.
std::ostream& operator<<(std::ostream& out, const Plan& plan);

}  // namespace lockflight
