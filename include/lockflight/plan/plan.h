// A plan: which layers each stage has, where stages live, in what order they work.

#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/device_profile.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/memory.h"
#include "lockflight/plan/profile.h"
#include "lockflight/plan/program.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/schedule.h"
#include "lockflight/schedule/search.h"

namespace lockflight {

struct MicroBatch {
  std::int64_t rows = 1;
};

/// Whether layers keep only their input and run their forward again before their backward, which
/// takes its time once more and changes no bit: see nn::Recompute.
enum class Recomputation : std::uint8_t {
  never,
  when_needed,  ///< where the memory limit forces it
  always,       ///< all that keep less that way
};

/// A layer by its name, or by its number in the model: "blocks.3.mlp", "8".
struct LayerPin {
  std::string layer;
  int stage = 0;
};

/// All layers from the one to the other.
struct LayerRange {
  std::string first;
  std::string last;
};

struct PlanOptions {
  MicroBatch micro_batch;
  int micro_batches = 1;
  /// A name of schedule::schedules(), or "auto": the fastest plan that fits, of all generators with
  /// one copy of the model and of orders searched for the stages' times, with one stage a rank, two
  /// in a loop or V, or stages_per_rank; with a split or pins only as many as these are made for.
  std::string schedule = "1f1b";
  int stages_per_rank = 0;  ///< 0: as few as the schedule allows
  int group = 0;  ///< micro-batches that go through a rank's stages together; 0: as many as ranks
  schedule::SearchEffort search{.actions = 200'000'000, .orders = 200'000};  ///< with "auto"
  /// In place of those three: a schedule of one's own, of either dialect; one with transfers is run
  /// in its own order.
  std::optional<schedule::Schedule> own_schedule;
  /// Layers per stage, of one copy of the model; empty: cut so that the slowest rank is as fast as
  /// possible.
  std::vector<int> split;
  /// Layers that lie on a certain stage, and layers that lie on one stage, whichever.
  std::vector<LayerPin> pins;
  std::vector<LayerRange> together;
  /// What every layer costs with micro-batches of these rows; none: estimated for the device.
  std::optional<plan::Profile> profile;
  /// Of every rank: for that estimate, for hosts and links, and for what its kind takes of memory.
  plan::DeviceProfile device = plan::device_profile("cpu-2core");
  /// Between GPUs; automatic: NCCL from two ranks on.
  CudaTransport cuda_transport = CudaTransport::automatic;
  /// Of every rank; 0: no limit.
  std::size_t memory_limit_bytes = 0;
  Recomputation recompute = Recomputation::never;
  /// In place of that: the numbers of the layers that are recomputed.
  std::optional<std::vector<int>> recomputed;
  /// Tensors of a parameter's size that the optimizer keeps for it: 2 for AdamW, 1 for SGD.
  int optimizer_states = 2;
  plan::LowerOptions lower;
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
  double forward_flops = 0;             ///< of one micro-batch
  std::size_t boundary_bytes = 0;       ///< what it hands to the next stage for one micro-batch
  std::vector<std::string> recomputed;  ///< layers that are, in their order
  /// Of one micro-batch, as the plan expects it; 0 where it does not know.  Recomputing is part of
  /// the input's gradient.
  double forward_seconds = 0;
  double input_gradient_seconds = 0;
  double weight_gradient_seconds = 0;
  /// Of the input's gradient what an R in front of the backwards takes out of it: the forward of
  /// the last recomputed layer.  None: there is no R, and all is recomputed inside the backwards.
  std::optional<double> recompute_seconds{};

  double seconds() const {
    return forward_seconds + input_gradient_seconds + weight_gradient_seconds;
  }
};

/// What a step is expected to take, from the profile and a simulation of the program.
struct Prediction {
  std::string source;       ///< "measured on cpu", "estimated for h100-sxm"
  double step_seconds = 0;  ///< of all forwards and backwards
  double idle_share = 0;    ///< of the ranks' time up to a common end (the "barrier" definition)
  std::vector<plan::IdleTime> idle;  ///< of every rank, in seconds
};

struct Plan {
  std::vector<StagePlan> stages;
  schedule::Schedule schedule;
  plan::Program program;
  BatchShape batch_shape;
  std::vector<RankMemory> memory;      ///< of every rank
  std::size_t memory_limit_bytes = 0;  ///< of every rank; 0: no limit
  Prediction prediction;

  const BatchShape& batch() const { return batch_shape; }
  int ranks() const { return schedule.ranks(); }
};

namespace plan {

/// For every tie of the model the stages that hold its two ends, in the first copy of the model if
/// there are two.
std::vector<TiedStages> tied_stages(const nn::Model& model, const std::vector<StagePlan>& stages);

}  // namespace plan

/// Runs all of it: dry run, partition, schedule, lowering, placement, proof, simulation.  The model
/// must be without memory, and is so afterwards.
/// Throws InvalidArgument if options and model do not fit: more stages than layers, a split that
/// does not add up to the layers, pins that leave no split, a layer to be recomputed that is not
/// there or would keep no less, an unknown schedule or layer, a profile
/// of another model, a schedule of one's own for another number of ranks; DataError for transfers
/// in it that go nowhere; PlanError if a rank's memory is beyond the limit, with the action and the
/// tensors that make its peak, with "auto" those of the plan that needs least, or if the program is
/// not proved.
Plan make_plan(nn::Model& model, int ranks, const PlanOptions& options);
/// The same for the world's ranks, kind of devices and transport.
Plan make_plan(nn::Model& model, const World& world, const PlanOptions& options);

/// The tables of stages and memory, and the prediction.
std::ostream& operator<<(std::ostream& out, const Plan& plan);

}  // namespace lockflight
