#include "tools/bench_options.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/named_model.h"
#include "lockflight/schedule/registry.h"
#include "tools/bytes.h"
#include "tools/check_options.h"
#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr int kMostRanks = 1024;
constexpr int kMostTimes = 100000;
constexpr std::size_t kMostTransfer = std::size_t{4} << 30;

constexpr const char* kBenchFooter =
    "Examples:\n"
    "  lockflight bench --ranks 1,2 --schedules gpipe,1f1b --save results.json\n"
    "  lockflight bench --device cuda --model gpt2-124m --dtype bf16 --micro-batches 32\n"
    "A round goes through all configurations in turn, so that a change of the machine's speed\n"
    "meets all of them. Utilisation needs the peak of a device profile: that of --device-profile,\n"
    "or of a GPU that is known by its name.";

std::vector<std::string> items_of(std::string_view list) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    items.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

// Asked of a size that every schedule has.
bool trains(const schedule::ScheduleInfo& info) {
  return schedule::has_backward(info.make({.ranks = 2, .micro_batches = 4}));
}

const schedule::ScheduleInfo& find_schedule(const std::string& name) {
  const auto found = std::ranges::find(schedule::schedules(), name, &schedule::ScheduleInfo::name);
  if (found == schedule::schedules().end()) {
    throw InvalidArgument(
        fmt::format("--schedules: there is no \"{}\"; see lockflight schedule --list", name));
  }
  return *found;
}

void add_what(CLI::App& app, BenchOptions& options) {
  app.add_option("--ranks", options.ranks,
                 "Numbers of workers: 1,2,4; auto: those of 1, 2, 4 and 8 that there are devices "
                 "(on the CPU: cores) for")
      ->type_name("LIST");
  app.add_option("--schedules", options.schedules,
                 "Names of lockflight schedule --list: gpipe,1f1b; all: every one that trains")
      ->type_name("LIST");
  app.add_option("--chunks", options.chunks,
                 "Stages of each rank, for schedules that take any number");
  app.add_option("--micro-batches", options.micro_batches, "Micro-batches of one update");
  app.add_option("--micro-batch-rows", options.micro_batch_rows, "Rows of a micro-batch");
  add_device(app, options.device);
  app.add_option("--threads-per-rank", options.threads_per_rank,
                 "Threads that share the work of a rank, on the CPU");
  app.add_option("--memory", options.memory,
                 "Most memory of a rank: 80GiB; the device's if not given")
      ->type_name("SIZE");
  app.add_option("--device-profile", options.device_profile,
                 "Whose peak and links are those of every rank; by the device's name if not given")
      ->type_name("NAME|FILE");
}

void add_how(CLI::App& app, BenchOptions& options) {
  app.add_option("--rounds", options.rounds, "So often through all configurations");
  app.add_option("--steps", options.steps, "Measured steps of a configuration in a round");
  app.add_option("--warmup", options.warmup, "Steps before them that do not count");
  app.add_option("--transfer-sizes", options.transfer_sizes,
                 "Sent from each rank to its neighbours, alone")
      ->type_name("LIST");
  app.add_option("--save", options.save, "Write everything that was measured, as JSON")
      ->type_name("FILE");
  app.add_flag("--json", options.json, "Print that instead of the tables");
}

}  // namespace

CLI::App* add_bench(CLI::App& app, BenchOptions& options) {
  CLI::App* bench =
      app.add_subcommand("bench", "Measure steps and transfers, by schedule and number of ranks");
  add_common(*bench);
  bench->footer(kBenchFooter);
  add_published(*bench, options.named, options.named_context);
  add_model(*bench, options.model);
  add_what(*bench, options);
  add_how(*bench, options);
  return bench;
}

std::vector<int> listed_ranks(const BenchOptions& options) {
  std::vector<int> ranks;
  if (options.ranks == "auto") {
    return ranks;
  }
  for (const std::string& item : items_of(options.ranks)) {
    int number = 0;
    const char* const end = item.data() + item.size();
    const auto [after, failure] = std::from_chars(item.data(), end, number);
    if (failure != std::errc() || after != end || number < 1 || number > kMostRanks) {
      throw InvalidArgument(
          fmt::format("--ranks is \"{}\"; it must be auto, or numbers from 1 to {}: 1,2,4",
                      options.ranks, kMostRanks));
    }
    if (std::ranges::find(ranks, number) == ranks.end()) {
      ranks.push_back(number);
    }
  }
  return ranks;
}

std::vector<std::string> listed_schedules(const BenchOptions& options) {
  std::vector<std::string> names;
  if (options.schedules == "all") {
    for (const schedule::ScheduleInfo& info : schedule::schedules()) {
      if (trains(info)) {
        names.emplace_back(info.name);
      }
    }
    return names;
  }
  for (const std::string& item : items_of(options.schedules)) {
    const schedule::ScheduleInfo& info = find_schedule(item);
    if (!trains(info)) {
      throw InvalidArgument(
          fmt::format("--schedules: {} has no backwards, so it cannot train", info.name));
    }
    if (std::ranges::find(names, info.name) == names.end()) {
      names.emplace_back(info.name);
    }
  }
  return names;
}

std::vector<std::size_t> listed_sizes(const BenchOptions& options) {
  std::vector<std::size_t> sizes;
  for (const std::string& item : items_of(options.transfer_sizes)) {
    const std::size_t bytes = parse_bytes("--transfer-sizes", item);
    if (bytes == 0 || bytes % sizeof(float) != 0 || bytes > kMostTransfer) {
      throw InvalidArgument(fmt::format(
          "--transfer-sizes has \"{}\"; each must be a multiple of {} bytes, at most {}", item,
          sizeof(float), "4GiB"));
    }
    sizes.push_back(bytes);
  }
  return sizes;
}

void check(const BenchOptions& options) {
  if (options.named.empty()) {
    check(options.model);
  } else {
    nn::find_model(options.named);
  }
  listed_ranks(options);
  listed_schedules(options);
  listed_sizes(options);
  parse_bytes("--memory", options.memory);
  check_range("--chunks", options.chunks, 1, kMostRanks);
  check_range("--micro-batches", options.micro_batches, 1, kMostTimes);
  check_range("--micro-batch-rows", options.micro_batch_rows, 1, kMostTimes);
  check_range("--threads-per-rank", options.threads_per_rank, 1, kMostRanks);
  check_range("--rounds", options.rounds, 1, kMostTimes);
  check_range("--steps", options.steps, 1, kMostTimes);
  check_range("--warmup", options.warmup, 0, kMostTimes);
}

}  // namespace lockflight::tools
