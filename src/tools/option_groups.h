// Options that several commands have.

#pragma once

#include <cstdint>
#include <string>

#include "tools/model_options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lockflight::tools {

// What several commands say of an option of theirs.

inline constexpr const char* kUngrouped = "Options";
inline constexpr const char* kChunksHelp =
    "Stages of each rank; as few as the schedule allows if not given";
inline constexpr const char* kGroupHelp =
    "Micro-batches that go through a rank's stages together, with interleaved; 0: as many as ranks";
inline constexpr const char* kScheduleHelp =
    "A name of lockflight schedule --list, auto (the fastest that fits the memory, searched for), "
    "or a file of torch.distributed.pipelining that ends in "
    ".csv: its ranks, stages and micro-batches are then the run's";

/// --help, --config, and how options behave.
void add_common(CLI::App& app);
void add_model(CLI::App& app, ModelOptions& model);
/// A published model instead of that: --model, and --model-context.
void add_published(CLI::App& app, std::string& name, std::int64_t& context);
CLI::Option* add_device(CLI::App& app, std::string& device);
CLI::Option* add_recompute(CLI::App& app, std::string& recompute);
CLI::Option* add_optimizer_in_schedule(CLI::App& app, bool& in_schedule);

}  // namespace lockflight::tools
