#include "runtime/pipeline_checks.h"

#include <cstddef>
#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/dry_run.h"

namespace lockflight::runtime {

void check_ranks(const Plan& plan, const World& world) {
  if (plan.ranks() != world.ranks()) {
    throw InvalidArgument(
        fmt::format("pipeline: the plan is for {} ranks, the world has {}; plan for this world",
                    plan.ranks(), world.ranks()));
  }
}

void check_layers(const nn::Model& model, const Plan& plan) {
  const auto& layers = model.layers();
  std::size_t end = 0;
  for (const StagePlan& stage : plan.stages) {
    const auto first = static_cast<std::size_t>(stage.first_layer);
    end = first + static_cast<std::size_t>(stage.layers);
    if (end > layers.size() || layers[first].name != stage.first_name ||
        layers[end - 1].name != stage.last_name) {
      throw PlanError(fmt::format(
          "pipeline: the plan's stage on rank {} has layers {} to {}, {} … {}; the model has "
          "other layers there: make the plan anew with this model",
          stage.rank, first, end - 1, stage.first_name, stage.last_name));
    }
  }
  if (end != layers.size()) {
    throw PlanError(
        fmt::format("pipeline: the plan has {} layers, the model {}; make the plan anew with "
                    "this model",
                    end, layers.size()));
  }
}

void check_memory(const Plan& plan, const plan::Job& training,
                  std::span<const ParameterSet::Entry> parameters) {
  std::vector<RankMemory> planned = plan.memory;
  planned.resize(static_cast<std::size_t>(plan.ranks()));
  std::vector<std::size_t> bytes(planned.size());
  for (const ParameterSet::Entry& entry : parameters) {
    bytes[entry.rank] += entry.parameter->value_bytes();
  }
  const auto check = [](int rank, std::string_view what, std::size_t needed, std::size_t has) {
    if (needed > has) {
      throw PlanError(fmt::format(
          "pipeline: rank {}'s {} {} bytes, the plan has {} for it; make the plan anew with this "
          "model",
          rank, what, needed, has));
    }
  };
  for (int rank = 0; rank < plan.ranks(); ++rank) {
    check(rank, "step takes", training.layouts[rank].bytes, planned[rank].step_bytes);
    check(rank, "parameters take", bytes[rank], planned[rank].parameter_bytes);
  }
}

void check_graph(World& world, const nn::Model& model, const plan::Job& training,
                 const PipelineOptions& options) {
  std::string why;
  for (int rank = 0; rank < world.ranks() && why.empty(); ++rank) {
    why = world.device(rank).why_no_graph();
    why = why.empty() ? world.transport(rank).why_no_graph() : why;
  }
  if (why.empty() && plan::validates(training.program)) {
    why = "its optimizer is in the schedule, so it is enqueued in parts; plan it without";
  }
  if (why.empty() && options.timeline) {
    why = "a graph's actions cannot be measured one by one; turn the timeline off";
  }
  if (why.empty() && training.drawing_layer) {
    why = fmt::format(
        "layer {} draws random numbers, and a graph would draw the same in every step; set its "
        "dropout to 0",
        model.layers()[*training.drawing_layer].name);
  }
  if (!why.empty()) {
    throw InvalidArgument(
        fmt::format("pipeline: this step cannot be a CUDA graph: {}, or leave the graph out", why));
  }
}

void check_rows(std::string_view what, const std::vector<HostTensor>& given,
                const std::vector<TensorSpec>& expected, std::int64_t rows) {
  if (given.size() != expected.size()) {
    throw InvalidArgument(
        fmt::format("{}: {} tensors, expected {}", what, given.size(), expected.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    const TensorSpec spec = plan::with_rows(expected[i], rows);
    if (given[i].spec() != spec) {
      throw InvalidArgument(fmt::format("{}: tensor {} is {}, expected {}", what, i,
                                        to_string(given[i].spec()), to_string(spec)));
    }
  }
}

void check_batch(std::string_view what, const Batch& batch, const nn::RowSpecs& expected,
                 std::int64_t rows) {
  check_rows(fmt::format("{}: inputs", what), batch.inputs, expected.inputs, rows);
  check_rows(fmt::format("{}: targets", what), batch.targets, expected.targets, rows);
}

void check_micro_batches(std::string_view what, std::int64_t rows, std::int64_t micro_batch_rows) {
  if (rows == 0 || rows % micro_batch_rows != 0) {
    throw InvalidArgument(
        fmt::format("{}: {} rows; a positive multiple of the {} rows of a micro-batch is needed",
                    what, rows, micro_batch_rows));
  }
}

}  // namespace lockflight::runtime
