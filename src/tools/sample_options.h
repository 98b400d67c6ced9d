// What lockflight sample can be asked.

#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace lockflight::tools {

struct SampleOptions {
  std::string checkpoint;
  std::string prompt;  ///< empty: a newline, or token 0
  std::int64_t bytes = 400;
  double temperature = 0.8;
  std::int64_t top_k = 0;  ///< 0: all
  std::uint64_t seed = 1;
  int ranks = 1;
  std::string device = "auto";
  int threads_per_rank = 1;
  bool json = false;
};

CLI::App* add_sample(CLI::App& app, SampleOptions& options);

}  // namespace lockflight::tools
