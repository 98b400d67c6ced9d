// lockflight train: from a text to a trained model.

#pragma once

#include <string>
#include <vector>

#include "tools/console.h"
#include "tools/train_options.h"

namespace lockflight::tools {

/// Returns the exit code: 0, or that of the signal that stopped the run after a step.
///   arguments   what `options` was parsed from: with --resume they are laid over the settings of
///               the checkpoint
/// Throws InvalidArgument before any file is touched; FileError, DataError and whatever training
/// throws.
int run_train(const std::vector<std::string>& arguments, const TrainOptions& options,
              const Console& console);

}  // namespace lockflight::tools
