#include "tools/run_settings.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "tools/check_options.h"

namespace lockflight::tools {
namespace {

using Json = nlohmann::ordered_json;

// Calls visit(name, value) for every setting, in either direction.
template <typename Model, typename Visit>
void visit_model(Model& model, Visit&& visit) {
  visit("layers", model.layers);
  visit("width", model.width);
  visit("heads", model.heads);
  visit("context", model.context);
  visit("vocabulary", model.vocabulary);
  visit("dropout", model.dropout);
  visit("tied", model.tied);
  visit("dtype", model.dtype);
}

template <typename Update, typename Visit>
void visit_update(Update& update, Visit&& visit) {
  visit("steps", update.steps);
  visit("learning_rate", update.learning_rate);
  visit("learning_rate_floor", update.learning_rate_floor);
  visit("learning_rate_shape", update.learning_rate_shape);
  visit("clip", update.clip);
  visit("optimizer", update.optimizer);
  visit("beta1", update.beta1);
  visit("beta2", update.beta2);
  visit("momentum", update.momentum);
  visit("micro_batches", update.micro_batches);
  visit("micro_batch_rows", update.micro_batch_rows);
}

}  // namespace

train::CheckpointInfo checkpoint_info(const RunSettings& settings) {
  Json model;
  Json update;
  visit_model(settings.model, [&](const char* name, const auto& value) { model[name] = value; });
  visit_update(settings.update, [&](const char* name, const auto& value) { update[name] = value; });
  // Of what is not given, what it came to.
  update["weight_decay"] = settings.update.decay();
  update["warmup"] = settings.update.learning_rates().warm_up_steps;
  return {.seed = settings.update.seed, .model = model.dump(), .training = update.dump()};
}

RunSettings read_settings(const std::string& folder) {
  const train::CheckpointInfo info = train::read_checkpoint(folder);
  RunSettings settings;
  try {
    Json model = Json::parse(info.model);
    if (!model.contains("dtype")) {  // saved when there was only one
      model["dtype"] = name_of(DType::f32);
    }
    const Json update = Json::parse(info.training);
    visit_model(settings.model, [&](const char* name, auto& v) { model.at(name).get_to(v); });
    visit_update(settings.update, [&](const char* name, auto& v) { update.at(name).get_to(v); });
    settings.update.weight_decay = update.at("weight_decay").get<double>();
    settings.update.warmup = update.at("warmup").get<std::int64_t>();
    settings.update.seed = info.seed;
    check(settings.model);
    check(settings.update);
  } catch (const Json::exception& error) {
    throw DataError(
        fmt::format("{}: the settings in the checkpoint are none of lockflight train: {}", folder,
                    error.what()));
  } catch (const InvalidArgument& error) {
    throw DataError(
        fmt::format("{}: the settings in the checkpoint cannot work: {}", folder, error.what()));
  }
  return settings;
}

DType dtype_of(const ModelOptions& options) {
  return options.dtype == name_of(DType::bf16) ? DType::bf16 : DType::f32;
}

nn::Model build_model(const ModelOptions& options) {
  return nn::gpt2({.vocabulary = options.vocabulary,
                   .context = options.context,
                   .layers = options.layers,
                   .heads = options.heads,
                   .width = options.width,
                   .dropout = static_cast<float>(options.dropout),
                   .tied = options.tied,
                   .dtype = dtype_of(options)});
}

}  // namespace lockflight::tools
