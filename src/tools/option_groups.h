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

/// --help, --config, and how options behave.
void add_common(CLI::App& app);
void add_model(CLI::App& app, ModelOptions& model);
/// A published model instead of that: --model, and --model-context.
void add_published(CLI::App& app, std::string& name, std::int64_t& context);
CLI::Option* add_device(CLI::App& app, std::string& device);

}  // namespace lockflight::tools
