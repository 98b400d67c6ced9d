#include "lockflight/plan/plan_json.h"

#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "plan/copies.h"
#include "plan/json_reader.h"
#include "plan/recompute_ahead.h"

namespace lockflight {
namespace {

using Json = nlohmann::ordered_json;
using plan::JsonObject;

constexpr const char* kFormat = "lockflight plan";
constexpr int kVersion = 2;

int int_of(const JsonObject& json, const char* key, int least) {
  const std::int64_t value = json.integer(key, least);
  if (!std::in_range<int>(value)) {
    json.refuse(key, fmt::format("is {}, expected a whole number from {} to {}", value, least,
                                 std::numeric_limits<int>::max()));
  }
  return static_cast<int>(value);
}

Json stage_json(const StagePlan& stage) {
  Json json = {{"rank", stage.rank},
               {"first_layer", stage.first_layer},
               {"layers", stage.layers},
               {"first_name", stage.first_name},
               {"last_name", stage.last_name},
               {"parameters", stage.parameters},
               {"forward_flops", stage.forward_flops},
               {"boundary_bytes", stage.boundary_bytes},
               {"recomputed", stage.recomputed},
               {"forward_seconds", stage.forward_seconds},
               {"input_gradient_seconds", stage.input_gradient_seconds},
               {"weight_gradient_seconds", stage.weight_gradient_seconds}};
  if (stage.recompute_seconds) {
    json["recompute_seconds"] = *stage.recompute_seconds;
  }
  return json;
}

Json memory_json(const RankMemory& memory) {
  Json shares = Json::array();
  for (const RankMemory::Share& share : memory.peak_shares) {
    shares.push_back({{"what", share.what}, {"bytes", share.bytes}});
  }
  return {{"parameter_bytes", memory.parameter_bytes}, {"gradient_bytes", memory.gradient_bytes},
          {"optimizer_bytes", memory.optimizer_bytes}, {"workspace_bytes", memory.workspace_bytes},
          {"step_bytes", memory.step_bytes},           {"step_peak_bytes", memory.step_peak_bytes},
          {"peak_action", memory.peak_action},         {"peak_shares", shares}};
}

Json prediction_json(const Prediction& prediction) {
  Json ranks = Json::array();
  for (const plan::IdleTime& idle : prediction.idle) {
    ranks.push_back({{"dependency", idle.dependency},
                     {"transfer", idle.transfer},
                     {"imbalance", idle.imbalance},
                     {"host", idle.host},
                     {"tail", idle.tail}});
  }
  return {{"source", prediction.source},
          {"step_seconds", prediction.step_seconds},
          {"idle_share", prediction.idle_share},
          {"idle", ranks}};
}

StagePlan read_stage(const JsonObject& json) {
  return {.rank = int_of(json, "rank", 0),
          .first_layer = int_of(json, "first_layer", 0),
          .layers = int_of(json, "layers", 1),
          .first_name = json.text("first_name"),
          .last_name = json.text("last_name"),
          .parameters = json.integer("parameters", 0),
          .forward_flops = json.number("forward_flops"),
          .boundary_bytes = json.bytes("boundary_bytes"),
          .recomputed = json.texts("recomputed"),
          .forward_seconds = json.number("forward_seconds"),
          .input_gradient_seconds = json.number("input_gradient_seconds"),
          .weight_gradient_seconds = json.number("weight_gradient_seconds"),
          .recompute_seconds = json.has("recompute_seconds")
                                   ? std::optional(json.number("recompute_seconds"))
                                   : std::nullopt};
}

void check_recomputation(const JsonObject& json, const StagePlan& stage) {
  if (std::cmp_greater(stage.recomputed.size(), stage.layers)) {
    json.refuse("recomputed", fmt::format("names {} layers, but the stage has {}",
                                          stage.recomputed.size(), stage.layers));
  }
  if (stage.recompute_seconds && stage.recomputed.empty()) {
    json.refuse("recompute_seconds",
                fmt::format("is {}, but the stage recomputes no layer", *stage.recompute_seconds));
  }
  if (stage.recompute_seconds.value_or(0) > stage.input_gradient_seconds) {
    json.refuse("recompute_seconds",
                fmt::format("is {}, more than the {} of input_gradient_seconds that it is part of",
                            *stage.recompute_seconds, stage.input_gradient_seconds));
  }
}

// Ranks add up the gradients of a part's two copies, so they have to agree on what it is.
void check_copy(const JsonObject& json, const StagePlan& stage, const StagePlan& first) {
  if (stage.layers != first.layers) {
    json.refuse("layers",
                fmt::format("is {}, but the same part has {} in the first copy of the model",
                            stage.layers, first.layers));
  }
  if (stage.recomputed != first.recomputed) {
    json.refuse("recomputed", "is another list than in the first copy of the model");
  }
}

std::vector<StagePlan> read_stages(const JsonObject& file, const schedule::Placement& placement) {
  std::vector<StagePlan> stages;
  std::int64_t layer = 0;
  for (const JsonObject& json : file.objects("stages")) {
    const auto number = static_cast<int>(stages.size());
    const StagePlan& stage = stages.emplace_back(read_stage(json));
    if (number == placement.parts()) {
      layer = 0;
    }
    if (stage.first_layer != layer) {
      json.refuse("first_layer", fmt::format("is {}, but the stages before end with layer {}",
                                             stage.first_layer, layer - 1));
    }
    if (number >= placement.stages()) {
      json.refuse("rank", fmt::format("is {}, but the schedule has only {} stages", stage.rank,
                                      placement.stages()));
    }
    if (stage.rank != placement.rank_of(number)) {
      json.refuse("rank", fmt::format("is {}, but the schedule runs stage {} on rank {}",
                                      stage.rank, number, placement.rank_of(number)));
    }
    check_recomputation(json, stage);
    check_copy(json, stage, stages[placement.part_of(number)]);
    layer += stage.layers;
  }
  if (static_cast<int>(stages.size()) != placement.stages()) {
    file.refuse("stages", fmt::format("has {} stages, but the schedule has {}", stages.size(),
                                      placement.stages()));
  }
  return stages;
}

schedule::Schedule read_schedule(const JsonObject& file) {
  const JsonObject json = file.object("schedule");
  try {
    return schedule::read_csv(json.text("csv"), json.text("name"));
  } catch (const Error& error) {
    json.refuse("csv", fmt::format("cannot be read: {}", error.what()));
  }
}

std::vector<plan::TiedStages> read_ties(const JsonObject& file, int stages) {
  std::vector<plan::TiedStages> ties;
  for (const JsonObject& json : file.objects("ties", 0)) {
    const plan::TiedStages tie{.first = int_of(json, "first", 0),
                               .second = int_of(json, "second", 0)};
    if (tie.first > tie.second || tie.second >= stages) {
      json.refuse("second", fmt::format("is {}, expected a stage from the first, {}, to {}",
                                        tie.second, tie.first, stages - 1));
    }
    ties.push_back(tie);
  }
  return ties;
}

RankMemory read_memory(const JsonObject& json) {
  RankMemory memory{.parameter_bytes = json.bytes("parameter_bytes"),
                    .gradient_bytes = json.bytes("gradient_bytes"),
                    .optimizer_bytes = json.bytes("optimizer_bytes"),
                    .workspace_bytes = json.bytes("workspace_bytes"),
                    .step_bytes = json.bytes("step_bytes"),
                    .step_peak_bytes = json.bytes("step_peak_bytes"),
                    .peak_action = json.text("peak_action"),
                    .peak_shares = {}};
  if (memory.step_peak_bytes > memory.step_bytes) {
    json.refuse("step_peak_bytes", fmt::format("is {}, more than the {} of the step's block",
                                               memory.step_peak_bytes, memory.step_bytes));
  }
  for (const JsonObject& share : json.objects("peak_shares", 0)) {
    memory.peak_shares.push_back({.what = share.text("what"), .bytes = share.bytes("bytes")});
  }
  return memory;
}

Prediction read_prediction(const JsonObject& json, int ranks) {
  Prediction prediction{.source = json.text("source"),
                        .step_seconds = json.number("step_seconds"),
                        .idle_share = json.number("idle_share"),
                        .idle = {}};
  for (const JsonObject& rank : json.objects("idle")) {
    prediction.idle.push_back({.dependency = rank.number("dependency"),
                               .transfer = rank.number("transfer"),
                               .imbalance = rank.number("imbalance"),
                               .host = rank.number("host"),
                               .tail = rank.number("tail")});
  }
  if (static_cast<int>(prediction.idle.size()) != ranks) {
    json.refuse("idle", fmt::format("is of {} ranks, but the schedule has {}",
                                    prediction.idle.size(), ranks));
  }
  return prediction;
}

void check_limit(const JsonObject& file, const Plan& plan) {
  for (std::size_t rank = 0; rank < plan.memory.size(); ++rank) {
    if (plan.memory[rank].arena_bytes() > plan.memory_limit_bytes) {
      file.refuse("memory_limit_bytes",
                  fmt::format("is {}, but rank {} needs {}", plan.memory_limit_bytes, rank,
                              plan.memory[rank].arena_bytes()));
    }
  }
}

Plan read_plan(const JsonObject& file) {
  file.expect_format(kFormat, kVersion);
  Plan plan;
  plan.batch_shape = {.micro_batch_rows = int_of(file, "micro_batch_rows", 1),
                      .micro_batches = int_of(file, "micro_batches", 1)};
  plan.schedule = read_schedule(file);
  if (plan.schedule.micro_batches != plan.batch_shape.micro_batches) {
    file.refuse("micro_batches",
                fmt::format("is {}, but the schedule has {}", plan.batch_shape.micro_batches,
                            plan.schedule.micro_batches));
  }
  plan.stages = read_stages(file, plan.schedule.placement);
  const auto ties = read_ties(file, plan.schedule.placement.parts());
  const bool in_schedule =
      file.has("optimizer_in_schedule") && file.boolean("optimizer_in_schedule");
  try {
    plan.program = plan::program_of(plan.schedule, ties,
                                    {.optimizer = in_schedule ? plan::OptimizerPlace::in_schedule
                                                              : plan::OptimizerPlace::after_step,
                                     .recomputes = plan::recompute_marks(plan.stages)});
  } catch (const Error& error) {
    file.refuse("schedule", fmt::format("cannot run: {}", error.what()));
  }
  for (const JsonObject& rank : file.objects("memory")) {
    plan.memory.push_back(read_memory(rank));
  }
  if (static_cast<int>(plan.memory.size()) != plan.ranks()) {
    file.refuse("memory", fmt::format("is of {} ranks, but the schedule has {}", plan.memory.size(),
                                      plan.ranks()));
  }
  plan.memory_limit_bytes = file.bytes("memory_limit_bytes");
  if (plan.memory_limit_bytes != 0) {
    check_limit(file, plan);
  }
  plan.prediction = read_prediction(file.object("prediction"), plan.ranks());
  return plan;
}

}  // namespace

std::string plan_to_json(const Plan& plan) {
  Json ties = Json::array();
  for (const plan::TiedStages& tie : plan::ties_of_model(plan.program)) {
    ties.push_back({{"first", tie.first}, {"second", tie.second}});
  }
  Json json = {
      {"format", kFormat},
      {"version", kVersion},
      {"micro_batch_rows", plan.batch_shape.micro_batch_rows},
      {"micro_batches", plan.batch_shape.micro_batches},
      {"schedule", {{"name", plan.schedule.name}, {"csv", schedule::write_csv(plan.schedule)}}},
      {"stages", Json::array()},
      {"ties", ties},
      {"memory", Json::array()},
      {"memory_limit_bytes", plan.memory_limit_bytes},
      {"prediction", prediction_json(plan.prediction)}};
  if (plan::validates(plan.program)) {
    json["optimizer_in_schedule"] = true;
  }
  for (const StagePlan& stage : plan.stages) {
    json["stages"].push_back(stage_json(stage));
  }
  for (const RankMemory& memory : plan.memory) {
    json["memory"].push_back(memory_json(memory));
  }
  return json.dump(1) + "\n";
}

Plan plan_from_json(std::string_view text, const std::string& where) {
  const plan::JsonDocument document(text, where);
  return read_plan(JsonObject(document));
}

}  // namespace lockflight
