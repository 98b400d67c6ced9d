#include "tools/check_options.h"

#include <array>
#include <cmath>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "lockflight/core/dtype.h"
#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "lockflight/train/token_file.h"
#include "tools/bytes.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_choice.h"
#include "tools/split.h"
#include "tools/text_sample.h"

namespace lockflight::tools {
namespace {

constexpr std::int64_t kBytes = 256;
constexpr std::int64_t kGpt2Tokens = 50257;
constexpr std::int64_t kMost = 1 << 20;  // far beyond any sense, far below any overflow
constexpr std::int64_t kMostRanks = 1024;
constexpr std::int64_t kMostThreads = 1024;
constexpr std::int64_t kMostSteps = std::numeric_limits<std::uint32_t>::max();

// least <= value <= most, and below a `most` that is only a limit.
void check_real(std::string_view name, double value, double least, double most,
                bool below = false) {
  if (!(value >= least && value <= most) || (below && value == most)) {
    throw InvalidArgument(fmt::format("{} is {}; it must be at least {} and {} {}", name, value,
                                      least, below ? "less than" : "at most", most));
  }
}

// How many stages a rank has, and in which groups micro-batches go through them.
template <typename Options>
void check_stage_options(const Options& options) {
  if (options.chunks) {
    check_range("--chunks", *options.chunks, 1, kMostRanks);
  }
  check_range("--group", options.group, 0, kMost);
  if (options.group != 0 &&
      (is_schedule_file(options.schedule) || schedule::is_auto(options.schedule))) {
    throw InvalidArgument(fmt::format(
        "--group is of no use with --schedule {}; it is for interleaved", options.schedule));
  }
}

void check_pipeline(const TrainOptions& options) {
  check_range("--ranks", options.ranks, 1, kMostRanks);
  check_range("--threads-per-rank", options.threads_per_rank, 1, kMostThreads);
  check_stage_options(options);
  if (!is_schedule_file(options.schedule) && !schedule::is_auto(options.schedule)) {
    schedule::PipelineSize size = schedule::schedule_info(options.schedule).least_size();
    size.stages_per_rank = stages_per_rank(options.schedule, options.chunks);
    check_trains(options.schedule, schedule::make_schedule(options.schedule, size));
  }
  if (options.chaos_seed && options.streams != "chaos") {
    throw InvalidArgument("--chaos-seed is of use with --streams chaos only");
  }
}

// Whether the ranks can share the model.
void check_stages(const TrainOptions& options) {
  const std::int64_t layers = layers_of_gpt(options.model.layers);
  const int stages = stages_of(options);
  if (options.own_schedule && stages > layers) {
    throw InvalidArgument(fmt::format("{} has {} stages, but the model has only {} layers",
                                      options.schedule, stages, layers));
  }
  if (stages > layers) {
    throw InvalidArgument(fmt::format(
        "--ranks is {}, but the model has {} layers (embedding, two halves of each of {} blocks, "
        "norm, head) and every {} one",
        options.ranks, layers, options.model.layers,
        stages == options.ranks
            ? "rank needs"
            : fmt::format("of a rank's {} stages needs", stages / options.ranks)));
  }
  parse_split(options.split, stages, layers);
  parse_bytes("--memory", options.memory);
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::path(a).lexically_normal() ==
             std::filesystem::path(b).lexically_normal() ||
         std::filesystem::equivalent(a, b, ignored);
}

// No output may overwrite the data or another output.
void check_paths(const TrainOptions& options) {
  const std::array<std::pair<std::string_view, const std::string*>, 5> paths = {{
      {"--data", &options.data},
      {"--checkpoint", &options.checkpoint},
      {"--trace", &options.trace},
      {"--loss-curve", &options.loss_curve},
      {"--loss-log", &options.loss_log},
  }};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    for (std::size_t j = i + 1; j < paths.size(); ++j) {
      if (!paths[i].second->empty() && !paths[j].second->empty() &&
          same_file(*paths[i].second, *paths[j].second)) {
        throw InvalidArgument(fmt::format("{} and {} are both {}; give each a file of its own",
                                          paths[i].first, paths[j].first, *paths[i].second));
      }
    }
  }
}

void check_outputs(const TrainOptions& options) {
  check_range("--validate-every", options.validate_every, 0, kMostSteps);
  check_range("--validation-rows", options.validation_rows, 1, kMost);
  check_range("--log-every", options.log_every, 1, kMostSteps);
  check_range("--save-every", options.save_every, 0, kMostSteps);
  check_range("--trace-steps", options.trace_steps, 1, kMostSteps);
  check_range("--sample-bytes", options.sample_bytes, 0, kMost);
  check_range("--stop-after", options.stop_after, 0, kMostSteps);
  const std::array<std::pair<std::string_view, bool>, 3> of_a_checkpoint = {{
      {"--resume", options.resume},
      {"--save-every", options.save_every > 0},
      {"--stop-after", options.stop_after > 0},
  }};
  for (const auto& [name, given] : of_a_checkpoint) {
    if (given && options.checkpoint.empty()) {
      throw InvalidArgument(fmt::format("{} needs --checkpoint DIR", name));
    }
  }
  if (options.cuda_graph && !options.trace.empty()) {
    throw InvalidArgument(
        "--trace measures every action, which --cuda-graph does not allow; leave one of them out");
  }
  check_paths(options);
}

}  // namespace

void check_range(std::string_view name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) {
    throw InvalidArgument(fmt::format("{} is {}; it must be {} to {}", name, value, least, most));
  }
}

void check(const ModelOptions& model) {
  check_range("--layers", model.layers, 1, kMost);
  check_range("--width", model.width, 1, kMost);
  check_range("--heads", model.heads, 1, kMost);
  check_range("--context", model.context, 1, kMost);
  check_range("--vocabulary", model.vocabulary, 0, kMost);
  check_real("--dropout", model.dropout, 0, 1, true);
  if (model.width % model.heads != 0) {
    throw InvalidArgument(
        fmt::format("--heads {} do not divide --width {}; each head takes the same "
                    "share of the width",
                    model.heads, model.width));
  }
  if (model.dtype != name_of(DType::f32) && model.dtype != name_of(DType::bf16)) {
    throw InvalidArgument(fmt::format("--dtype is {}; it must be f32 or bf16", model.dtype));
  }
}

void check(const UpdateOptions& update) {
  check_range("--steps", update.steps, 1, kMostSteps);
  check_range("--micro-batches", update.micro_batches, 1, kMost);
  check_range("--micro-batch-rows", update.micro_batch_rows, 1, kMost);
  check_real("--clip", update.clip, 0, std::numeric_limits<float>::max());
  check_real("--weight-decay", update.decay(), 0, 1);
  check_real("--beta1", update.beta1, 0, 1, true);
  check_real("--beta2", update.beta2, 0, 1, true);
  check_real("--momentum", update.momentum, 0, 1, true);
  update.learning_rates().check();
}

void check_run(const TrainOptions& options) {
  if (options.data.empty()) {
    throw InvalidArgument("train: --data FILE is missing; give a text, or uint16 tokens in a .bin");
  }
  check_pipeline(options);
  check_outputs(options);
}

void check(const TrainOptions& options) {
  check_run(options);
  check(options.model);
  check(options.update);
  check_stages(options);
  tokens_of(options.prompt, vocabulary_of(options));
}

void check(const PlanCommandOptions& options) {
  check_range("--ranks", options.ranks, 1, kMostRanks);
  check_stage_options(options);
  check_range("--micro-batches", options.micro_batches, 1, kMost);
  check_range("--micro-batch-rows", options.micro_batch_rows, 1, kMost);
  if (options.named.empty()) {
    check(options.model);
  }
}

void check(const SampleOptions& options) {
  if (options.checkpoint.empty()) {
    throw InvalidArgument("sample: --checkpoint DIR is missing; train writes one");
  }
  check_range("--bytes", options.bytes, 1, kMost);
  check_real("--temperature", options.temperature, 0, 100);
  check_range("--top-k", options.top_k, 0, kMost);
  check_range("--ranks", options.ranks, 1, kMostRanks);
  check_range("--threads-per-rank", options.threads_per_rank, 1, kMostThreads);
}

std::int64_t vocabulary_of(const TrainOptions& options) {
  if (options.model.vocabulary > 0) {
    return options.model.vocabulary;
  }
  return train::token_format_of(options.data) == train::TokenFormat::bytes ? kBytes : kGpt2Tokens;
}

}  // namespace lockflight::tools
