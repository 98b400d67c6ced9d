#include "tools/sample_options.h"

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kSampleFooter =
    "Example:\n"
    "  lockflight sample --checkpoint model --prompt 'Once upon a time' --temperature 0.7 --top-k "
    "40";

}  // namespace

CLI::App* add_sample(CLI::App& app, SampleOptions& options) {
  CLI::App* sample = app.add_subcommand("sample", "Let a trained model write");
  add_common(*sample);
  sample->footer(kSampleFooter);
  sample->add_option("--checkpoint", options.checkpoint, "What train has saved")->type_name("DIR");
  sample->add_option("--prompt", options.prompt, "What the text starts with; a newline if empty");
  sample->add_option("--bytes", options.bytes, "How many bytes (tokens) to write");
  sample->add_option("--temperature", options.temperature,
                     "0: always the likeliest byte; 1: as the model has it");
  sample->add_option("--top-k", options.top_k, "Choose among the k likeliest only; 0: among all");
  sample->add_option("--seed", options.seed, "Of the choices");
  sample->add_option("--ranks", options.ranks, "Workers, each with one stage of the model");
  add_device(*sample, options.device);
  sample->add_option("--threads-per-rank", options.threads_per_rank,
                     "Threads that share the work of a rank");
  sample->add_flag("--json", options.json, "Print a JSON object");
  return sample;
}

}  // namespace lockflight::tools
