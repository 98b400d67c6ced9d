// What lockflight bench prints and writes.

#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "tools/bench_results.h"

namespace lockflight::tools {

/// Everything: what it ran on, all samples, and the figures that the tables have.
nlohmann::ordered_json as_json(const BenchResults& results);

/// The tables.
std::string as_text(const BenchResults& results);

}  // namespace lockflight::tools
