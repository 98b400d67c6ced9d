#include "lockflight/plan/plan_json.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/schedule/csv.h"

namespace lockflight {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "lockflight plan";
constexpr int kVersion = 1;
constexpr std::size_t kMostBytes = std::size_t{1} << 60;  // sums of them do not overflow

Json stage_json(const StagePlan& stage) {
  return {{"rank", stage.rank},
          {"first_layer", stage.first_layer},
          {"layers", stage.layers},
          {"first_name", stage.first_name},
          {"last_name", stage.last_name},
          {"parameters", stage.parameters},
          {"forward_flops", stage.forward_flops},
          {"boundary_bytes", stage.boundary_bytes},
          {"forward_seconds", stage.forward_seconds},
          {"input_gradient_seconds", stage.input_gradient_seconds},
          {"weight_gradient_seconds", stage.weight_gradient_seconds}};
}

Json memory_json(const RankMemory& memory) {
  Json shares = Json::array();
  for (const RankMemory::Share& share : memory.peak_shares) {
    shares.push_back({{"what", share.what}, {"bytes", share.bytes}});
  }
  return {{"parameter_bytes", memory.parameter_bytes},
          {"gradient_bytes", memory.gradient_bytes},
          {"optimizer_bytes", memory.optimizer_bytes},
          {"step_bytes", memory.step_bytes},
          {"step_peak_bytes", memory.step_peak_bytes},
          {"peak_action", memory.peak_action},
          {"peak_shares", shares}};
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

// A value with the way that leads to it, for messages.
class Value {
 public:
  Value(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  Value operator[](const char* key) const {
    if (!json_.is_object() || !json_.contains(key)) {
      refuse(fmt::format("has no '{}'", key));
    }
    return {json_.at(key), path_.empty() ? key : fmt::format("{}.{}", path_, key)};
  }

  std::vector<Value> list() const {
    if (!json_.is_array()) {
      refuse("is no list");
    }
    std::vector<Value> values;
    for (std::size_t i = 0; i < json_.size(); ++i) {
      values.emplace_back(json_[i], fmt::format("{}[{}]", path_, i));
    }
    return values;
  }

  std::string text() const {
    if (!json_.is_string()) {
      refuse("is no text");
    }
    return json_.get<std::string>();
  }

  template <typename Integer>
  Integer integer(Integer least, Integer most = std::numeric_limits<Integer>::max()) const {
    const bool fits =
        json_.is_number_integer() &&
        (!json_.is_number_unsigned() || json_.get<std::uint64_t>() <= std::uint64_t{1} << 62) &&
        std::in_range<Integer>(json_.get<std::int64_t>()) && json_.get<Integer>() >= least &&
        json_.get<Integer>() <= most;
    if (!fits) {
      refuse(
          fmt::format("is {}, expected a whole number from {} to {}", json_.dump(), least, most));
    }
    return json_.get<Integer>();
  }

  double not_negative() const {
    const double value = json_.is_number() ? json_.get<double>() : -1;
    if (!(value >= 0) || !std::isfinite(value)) {
      refuse(fmt::format("is {}, expected a number that is finite and not negative", json_.dump()));
    }
    return value;
  }

  std::size_t bytes() const { return integer<std::size_t>(0, kMostBytes); }

  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("plan: {} {}", path_.empty() ? "the file" : path_, what));
  }

 private:
  const Json& json_;
  std::string path_;
};

StagePlan read_stage(const Value& value) {
  return {.rank = value["rank"].integer<int>(0),
          .first_layer = value["first_layer"].integer<int>(0),
          .layers = value["layers"].integer<int>(1, 1'000'000),
          .first_name = value["first_name"].text(),
          .last_name = value["last_name"].text(),
          .parameters = value["parameters"].integer<std::int64_t>(0),
          .forward_flops = value["forward_flops"].not_negative(),
          .boundary_bytes = value["boundary_bytes"].bytes(),
          .forward_seconds = value["forward_seconds"].not_negative(),
          .input_gradient_seconds = value["input_gradient_seconds"].not_negative(),
          .weight_gradient_seconds = value["weight_gradient_seconds"].not_negative()};
}

std::vector<StagePlan> read_stages(const Value& value, const schedule::Placement& placement) {
  std::vector<StagePlan> stages;
  int layer = 0;
  for (const Value& entry : value.list()) {
    const auto number = static_cast<int>(stages.size());
    const StagePlan& stage = stages.emplace_back(read_stage(entry));
    if (stage.first_layer != layer) {
      entry["first_layer"].refuse(fmt::format("is {}, but the stages before end with layer {}",
                                              stage.first_layer, layer - 1));
    }
    if (number >= placement.stages() || stage.rank != placement.rank_of(number)) {
      entry["rank"].refuse(fmt::format(
          "is {}, but the schedule {}", stage.rank,
          number >= placement.stages()
              ? fmt::format("has only {} stages", placement.stages())
              : fmt::format("runs stage {} on rank {}", number, placement.rank_of(number))));
    }
    layer += stage.layers;
  }
  if (static_cast<int>(stages.size()) != placement.stages()) {
    value.refuse(
        fmt::format("has {} stages, but the schedule has {}", stages.size(), placement.stages()));
  }
  return stages;
}

schedule::Schedule read_schedule(const Value& value) {
  std::string text;
  for (const Value& row : value["rows"].list()) {
    text += row.text() + "\n";
  }
  schedule::Schedule schedule;
  try {
    schedule = schedule::read_csv(text, value["name"].text());
  } catch (const Error& error) {
    value["rows"].refuse(fmt::format("cannot be read: {}", error.what()));
  }
  return schedule;
}

std::vector<plan::TiedStages> read_ties(const Value& value, int stages) {
  std::vector<plan::TiedStages> ties;
  for (const Value& entry : value.list()) {
    const plan::TiedStages tie{.first = entry["first"].integer<int>(0, stages - 1),
                               .second = entry["second"].integer<int>(0, stages - 1)};
    if (tie.first > tie.second) {
      entry["first"].refuse(
          fmt::format("is {}, after the second stage, {}", tie.first, tie.second));
    }
    ties.push_back(tie);
  }
  return ties;
}

RankMemory read_memory(const Value& value) {
  RankMemory memory{.parameter_bytes = value["parameter_bytes"].bytes(),
                    .gradient_bytes = value["gradient_bytes"].bytes(),
                    .optimizer_bytes = value["optimizer_bytes"].bytes(),
                    .step_bytes = value["step_bytes"].bytes(),
                    .step_peak_bytes = value["step_peak_bytes"].bytes(),
                    .peak_action = value["peak_action"].text(),
                    .peak_shares = {}};
  if (memory.step_peak_bytes > memory.step_bytes) {
    value["step_peak_bytes"].refuse(fmt::format("is {}, more than the {} of the step's block",
                                                memory.step_peak_bytes, memory.step_bytes));
  }
  for (const Value& share : value["peak_shares"].list()) {
    memory.peak_shares.push_back({.what = share["what"].text(), .bytes = share["bytes"].bytes()});
  }
  return memory;
}

Prediction read_prediction(const Value& value) {
  Prediction prediction{.source = value["source"].text(),
                        .step_seconds = value["step_seconds"].not_negative(),
                        .idle_share = value["idle_share"].not_negative(),
                        .idle = {}};
  for (const Value& rank : value["idle"].list()) {
    prediction.idle.push_back({.dependency = rank["dependency"].not_negative(),
                               .transfer = rank["transfer"].not_negative(),
                               .imbalance = rank["imbalance"].not_negative(),
                               .host = rank["host"].not_negative(),
                               .tail = rank["tail"].not_negative()});
  }
  return prediction;
}

Plan read_plan(const Value& file) {
  if (file["format"].text() != kFormat) {
    file["format"].refuse(fmt::format("is '{}', expected '{}'", file["format"].text(), kFormat));
  }
  if (const int version = file["version"].integer<int>(0); version != kVersion) {
    file["version"].refuse(
        fmt::format("is {}, but this program reads version {}", version, kVersion));
  }
  Plan plan;
  plan.batch_shape = {
      .micro_batch_rows = file["micro_batch_rows"].integer<std::int64_t>(1, 1'000'000'000),
      .micro_batches = file["micro_batches"].integer<int>(1, 1'000'000'000)};
  plan.schedule = read_schedule(file["schedule"]);
  if (plan.schedule.micro_batches != plan.batch_shape.micro_batches) {
    file["micro_batches"].refuse(fmt::format("is {}, but the schedule has {}",
                                             plan.batch_shape.micro_batches,
                                             plan.schedule.micro_batches));
  }
  plan.stages = read_stages(file["stages"], plan.schedule.placement);
  try {
    plan.program = plan::lower(plan.schedule, read_ties(file["ties"], plan.schedule.stages()));
  } catch (const PlanError& error) {
    file["schedule"].refuse(fmt::format("cannot run: {}", error.what()));
  }
  for (const Value& rank : file["memory"].list()) {
    plan.memory.push_back(read_memory(rank));
  }
  if (static_cast<int>(plan.memory.size()) != plan.ranks()) {
    file["memory"].refuse(
        fmt::format("is of {} ranks, but the schedule has {}", plan.memory.size(), plan.ranks()));
  }
  plan.memory_limit_bytes = file["memory_limit_bytes"].bytes();
  plan.prediction = read_prediction(file["prediction"]);
  return plan;
}

}  // namespace

std::string plan_to_json(const Plan& plan) {
  Json rows = Json::array();
  for (std::size_t rank = 0; rank < plan.schedule.rows.size(); ++rank) {
    schedule::Schedule row{.rows = {plan.schedule.rows[rank]}};
    rows.push_back(schedule::write_csv(row, {.ends_last_row = false}));
  }
  Json ties = Json::array();
  for (const plan::TiedStages& tie : plan.program.ties) {
    ties.push_back({{"first", tie.first}, {"second", tie.second}});
  }
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"micro_batch_rows", plan.batch_shape.micro_batch_rows},
               {"micro_batches", plan.batch_shape.micro_batches},
               {"schedule", {{"name", plan.schedule.name}, {"rows", rows}}},
               {"stages", Json::array()},
               {"ties", ties},
               {"memory", Json::array()},
               {"memory_limit_bytes", plan.memory_limit_bytes},
               {"prediction", prediction_json(plan.prediction)}};
  for (const StagePlan& stage : plan.stages) {
    json["stages"].push_back(stage_json(stage));
  }
  for (const RankMemory& memory : plan.memory) {
    json["memory"].push_back(memory_json(memory));
  }
  return json.dump(1) + "\n";
}

Plan plan_from_json(std::string_view text) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("plan: is no JSON: {}", error.what()));
  }
  return read_plan(Value(json, ""));
}

}  // namespace lockflight
