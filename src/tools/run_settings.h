// What a checkpoint keeps of the options, so that `sample` and `--resume` need not be told again.

#pragma once

#include <string>

#include "lockflight/nn/model.h"
#include "lockflight/train/checkpoint.h"
#include "tools/train_options.h"

namespace lockflight::tools {

struct RunSettings {
  ModelOptions model;
  UpdateOptions update;
};

/// Into the two texts of a checkpoint, as JSON; numbers come back as the same bits.
train::CheckpointInfo checkpoint_info(const RunSettings& settings);

/// The settings of the latest checkpoint of a folder.
/// Throws as train::read_checkpoint does, and DataError if a setting is missing, of another kind or
/// such that no model could be built from it.
RunSettings read_settings(const std::string& folder);

/// What the activations of a model are.
DType dtype_of(const ModelOptions& options);

/// The GPT that the options describe; their vocabulary is not 0.
nn::Model build_model(const ModelOptions& options);

}  // namespace lockflight::tools
