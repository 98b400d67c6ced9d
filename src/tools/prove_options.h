// What lockflight prove can be asked.

#pragma once

#include <string>

namespace CLI {
class App;
}

namespace lockflight::tools {

struct ProveOptions {
  std::string file;
  std::string placement;  ///< loop, v, or a file with the rank of each stage; empty: any
  bool one_stream = false;
  bool json = false;
};

CLI::App* add_prove(CLI::App& app, ProveOptions& options);

}  // namespace lockflight::tools
