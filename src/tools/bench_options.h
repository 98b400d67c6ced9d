// What lockflight bench can be asked.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/model_options.h"

namespace CLI {
class App;
}

namespace lockflight::tools {

struct BenchOptions {
  std::string named;               ///< a published model; empty: `model`
  std::int64_t named_context = 0;  ///< 0: as published
  ModelOptions model = {.layers = 6, .width = 384, .heads = 6, .context = 256};
  std::string device = "auto";
  std::string ranks = "auto";     ///< or a list
  std::string schedules = "all";  ///< or a list
  int chunks = 2;                 ///< stages per rank, of schedules that take any number
  int micro_batches = 8;
  std::int64_t micro_batch_rows = 2;
  int steps = 5;   ///< measured in a row
  int warmup = 1;  ///< before them
  int rounds = 3;
  int threads_per_rank = 1;
  std::string transfer_sizes = "4KiB,64KiB,1MiB,16MiB";
  std::string device_profile;  ///< empty: by the device's name
  std::string memory;          ///< of a rank; empty: of the device
  std::string save;            ///< a file for the results
  bool json = false;
};

CLI::App* add_bench(CLI::App& app, BenchOptions& options);

/// All that can be known without looking at the machine.  Throws InvalidArgument with the first
/// thing that cannot work.
void check(const BenchOptions& options);

/// The numbers of --ranks; empty for auto.  Throws InvalidArgument.
std::vector<int> listed_ranks(const BenchOptions& options);
/// The names of --schedules that train, as they are written in lists; for all, all of them.  Throws
/// InvalidArgument.
std::vector<std::string> listed_schedules(const BenchOptions& options);
/// The sizes of --transfer-sizes, whole numbers of f32.  Throws InvalidArgument.
std::vector<std::size_t> listed_sizes(const BenchOptions& options);

}  // namespace lockflight::tools
