// Everything about options that can be known without looking at a file.

#pragma once

#include <cstdint>
#include <string_view>

#include "tools/plan_options.h"
#include "tools/sample_options.h"
#include "tools/train_options.h"

namespace lockflight::tools {

// All throw InvalidArgument with the first thing that cannot work.

void check(const TrainOptions& options);
void check(const SampleOptions& options);
void check(const PlanCommandOptions& options);
void check(const ModelOptions& model);
void check(const UpdateOptions& update);

/// Throws unless least <= value <= most.  `name` is the option's.
void check_range(std::string_view name, std::int64_t value, std::int64_t least, std::int64_t most);

/// The part of check(TrainOptions) that needs nothing that --resume takes from a checkpoint.
void check_run(const TrainOptions& options);

/// The tokens of a model: what the options say, or 256 for text and 50257 for .bin.
std::int64_t vocabulary_of(const TrainOptions& options);

}  // namespace lockflight::tools
