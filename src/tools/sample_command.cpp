#include "tools/sample_command.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/checkpoint.h"
#include "lockflight/train/sample.h"
#include "tools/check_options.h"
#include "tools/device_choice.h"
#include "tools/run_settings.h"
#include "tools/split.h"
#include "tools/text_sample.h"

namespace lockflight::tools {
namespace {

Pipeline load(World& world, const ModelOptions& options, const std::string& checkpoint) {
  nn::Model model = build_model(options);
  const Plan plan = make_plan(model, world, {.schedule = "forward-only"});
  Pipeline pipeline(world, std::move(model), plan, {.timeline = false});
  train::load_weights(checkpoint, pipeline);
  return pipeline;
}

}  // namespace

void run_sample(const SampleOptions& options, const Console& console) {
  check(options);
  const ModelOptions model = read_settings(options.checkpoint).model;
  if (options.ranks > layers_of_gpt(model.layers)) {
    throw InvalidArgument(fmt::format("--ranks is {}, but the model of {} has {} layers",
                                      options.ranks, options.checkpoint,
                                      layers_of_gpt(model.layers)));
  }
  const auto prompt = tokens_of(options.prompt, model.vocabulary);
  World world = World::threads({.ranks = options.ranks,
                                .threads_per_rank = options.threads_per_rank,
                                .device = choose_device(options.device).kind});
  Pipeline pipeline = load(world, model, options.checkpoint);

  std::string text;
  const auto add = [&](std::int32_t token) {
    text += text_of(token, model.vocabulary);
    if (!options.json) {
      const std::string more = text_of(token, model.vocabulary);
      console.print(console.terminal ? printable(more) : more);
    }
  };
  for (const std::int32_t token : prompt) {
    add(token);
  }
  train::sample(pipeline, prompt,
                {.tokens = options.bytes,
                 .temperature = options.temperature,
                 .top_k = options.top_k,
                 .seed = options.seed},
                add);
  console.print(options.json
                    ? nlohmann::ordered_json{{"prompt", options.prompt}, {"text", text}}.dump(
                          -1, ' ', false, nlohmann::json::error_handler_t::replace) +
                          "\n"
                    : "\n");
}

}  // namespace lockflight::tools
