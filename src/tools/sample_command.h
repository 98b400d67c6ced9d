// lockflight sample: lets a trained model write.

#pragma once

#include "tools/console.h"
#include "tools/sample_options.h"

namespace lockflight::tools {

/// Throws InvalidArgument, FileError, DataError and whatever the pipeline throws.
void run_sample(const SampleOptions& options, const Console& console);

}  // namespace lockflight::tools
