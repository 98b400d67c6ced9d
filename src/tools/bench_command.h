// lockflight bench: how fast steps and transfers are here.

#pragma once

#include "tools/bench_options.h"
#include "tools/console.h"

namespace lockflight::tools {

/// Throws InvalidArgument before anything is measured; DeviceError, TransportError, FileError.
void run_bench(const BenchOptions& options, const Console& console);

}  // namespace lockflight::tools
