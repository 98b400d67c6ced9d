#include "lockflight/plan/profile.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "plan/json_reader.h"

namespace lockflight::plan {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "lockflight profile";
constexpr int kVersion = 1;

Json layer_as_json(const LayerCost& layer) {
  const LayerMemory& memory = layer.memory;
  return {{"name", layer.name},
          {"parameters", layer.parameters},
          {"output_bytes", layer.output_bytes},
          {"output_gradient_bytes", layer.output_gradient_bytes},
          {"memory",
           {{"parameter_bytes", memory.parameter_bytes},
            {"saved_after_forward_bytes", memory.saved_after_forward_bytes},
            {"saved_after_input_gradient_bytes", memory.saved_after_input_gradient_bytes},
            {"forward_peak_bytes", memory.forward_peak_bytes},
            {"input_gradient_peak_bytes", memory.input_gradient_peak_bytes},
            {"weight_gradient_peak_bytes", memory.weight_gradient_peak_bytes}}},
          {"seconds",
           {{"forward", layer.seconds.forward},
            {"input_gradient", layer.seconds.input_gradient},
            {"weight_gradient", layer.seconds.weight_gradient}}}};
}

LayerMemory read_memory(const JsonObject& object) {
  object.expect_keys({"parameter_bytes", "saved_after_forward_bytes",
                      "saved_after_input_gradient_bytes", "forward_peak_bytes",
                      "input_gradient_peak_bytes", "weight_gradient_peak_bytes"});
  return {.parameter_bytes = object.bytes("parameter_bytes"),
          .saved_after_forward_bytes = object.bytes("saved_after_forward_bytes"),
          .saved_after_input_gradient_bytes = object.bytes("saved_after_input_gradient_bytes"),
          .forward_peak_bytes = object.bytes("forward_peak_bytes"),
          .input_gradient_peak_bytes = object.bytes("input_gradient_peak_bytes"),
          .weight_gradient_peak_bytes = object.bytes("weight_gradient_peak_bytes")};
}

LayerSeconds read_seconds(const JsonObject& object) {
  object.expect_keys({"forward", "input_gradient", "weight_gradient"});
  return {.forward = object.number("forward"),
          .input_gradient = object.number("input_gradient"),
          .weight_gradient = object.number("weight_gradient")};
}

LayerCost read_layer(const JsonObject& object) {
  object.expect_keys(
      {"name", "parameters", "output_bytes", "output_gradient_bytes", "memory", "seconds"});
  return {.name = object.text("name"),
          .parameters = object.integer("parameters", 0),
          .output_bytes = object.bytes("output_bytes"),
          .output_gradient_bytes = object.bytes("output_gradient_bytes"),
          .memory = read_memory(object.object("memory")),
          .seconds = read_seconds(object.object("seconds"))};
}

}  // namespace

LayerCost cost_of(const LayerProfile& layer) {
  LayerCost cost{
      .name = layer.name, .parameters = layer.parameters, .memory = layer.memory, .seconds = {}};
  for (const TensorSpec& output : layer.outputs) {
    cost.output_bytes += output.bytes();
    cost.output_gradient_bytes += has_gradient(output) ? output.bytes() : 0;
  }
  return cost;
}

std::string to_json(const Profile& profile) {
  Json layers = Json::array();
  for (const LayerCost& layer : profile.layers) {
    layers.push_back(layer_as_json(layer));
  }
  const Json json{{"format", kFormat},        {"version", kVersion},
                  {"device", profile.device}, {"measured", profile.measured},
                  {"rows", profile.rows},     {"layers", std::move(layers)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Profile parse_profile(std::string_view json, const std::string& where) {
  const JsonDocument document(json, where);
  const JsonObject object(document);
  object.expect_format(kFormat, kVersion);
  object.expect_keys({"format", "version", "device", "measured", "rows", "layers"});
  Profile profile{.device = object.text("device"),
                  .measured = object.boolean("measured"),
                  .rows = object.integer("rows", 1),
                  .layers = {}};
  for (const JsonObject& layer : object.objects("layers")) {
    profile.layers.push_back(read_layer(layer));
  }
  return profile;
}

void save_profile(const Profile& profile, const std::string& path) {
  write_text_file(path, to_json(profile));
}

Profile load_profile(const std::string& path) { return parse_profile(read_text_file(path), path); }

void check_fits(const Profile& profile, const nn::Model& model, std::int64_t rows,
                const std::string& where) {
  const auto& layers = model.layers();
  if (profile.rows != rows) {
    throw DataError(
        fmt::format("{}: rows is {}, but a micro-batch here has {} rows; measure with as many",
                    where, profile.rows, rows));
  }
  if (profile.layers.size() != layers.size()) {
    throw DataError(fmt::format(
        "{}: layers has {} entries, but the model has {} layers; take the profile of this model",
        where, profile.layers.size(), layers.size()));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::int64_t parameters = 0;
    for (const nn::Parameter* parameter : layers[i].layer->parameters()) {
      parameters += parameter->elements();
    }
    const LayerCost& cost = profile.layers[i];
    if (cost.name != layers[i].name || cost.parameters != parameters) {
      throw DataError(fmt::format(
          "{}: layers[{}] is {} with {} parameters, but in the model it is {} with {}; take the "
          "profile of this model",
          where, i, cost.name, cost.parameters, layers[i].name, parameters));
    }
  }
}

}  // namespace lockflight::plan
