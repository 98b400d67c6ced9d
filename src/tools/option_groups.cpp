#include "tools/option_groups.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lockflight/nn/named_model.h"

namespace lockflight::tools {
namespace {

constexpr int kHelpColumn = 38;

}  // namespace

void add_common(CLI::App& app) {
  // The last of several wins, so that a script can append what it changes.
  app.option_defaults()->always_capture_default()->take_last();
  app.get_formatter()->column_width(kHelpColumn);
  app.set_help_flag("--help,-h", "Print this and exit");
  app.add_option("--config", "Read options from a TOML file; the command line overrides it")
      ->type_name("FILE");
}

void add_model(CLI::App& app, ModelOptions& model) {
  app.add_option("--layers", model.layers, "Transformer blocks")->group("Model");
  app.add_option("--width", model.width, "Width of the residual stream")->group("Model");
  app.add_option("--heads", model.heads, "Attention heads; they divide the width")->group("Model");
  app.add_option("--context", model.context, "Tokens that the model sees at once")->group("Model");
  app.add_option("--vocabulary", model.vocabulary,
                 "Different tokens; 0: 256 for text, 50257 for .bin")
      ->group("Model");
  app.add_option("--dropout", model.dropout, "Share of activations that are dropped")
      ->group("Model");
  app.add_flag("--tied,!--no-tied", model.tied, "Use the embedding as the head's weights too")
      ->group("Model");
  app.add_option("--dtype", model.dtype,
                 "What activations are and products read: f32 or bf16; weights, gradients and the "
                 "optimizer's state are f32")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->type_name("NAME")
      ->group("Model");
}

void add_published(CLI::App& app, std::string& name, std::int64_t& context) {
  std::string names;
  for (const nn::NamedModel& model : nn::named_models()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", model.name);
  }
  app.add_option("--model", name, "A published one: " + names)->type_name("NAME")->group("Model");
  app.add_option("--model-context", context, "Tokens in a row of that; 0: as published")
      ->group("Model");
}

CLI::Option* add_device(CLI::App& app, std::string& device) {
  return app
      .add_option("--device", device,
                  "auto (GPUs where there are some), cpu or cuda; see lockflight devices")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->type_name("NAME");
}

CLI::Option* add_recompute(CLI::App& app, std::string& recompute) {
  return app
      .add_option("--recompute", recompute,
                  "Layers that keep only their input, and run forward again before their "
                  "backward: never, when-needed (where --memory forces it) or always")
      ->check(CLI::IsMember({"never", "when-needed", "always"}))
      ->type_name("NAME");
}

CLI::Option* add_optimizer_in_schedule(CLI::App& app, bool& in_schedule) {
  return app.add_flag("--optimizer-in-schedule", in_schedule,
                      "Update without a barrier: each rank at once, to be put right if the norm of "
                      "all gradients asks for it; changes no bit");
}

}  // namespace lockflight::tools
