#include "tools/bench_command.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/ops/matmul.h"
#include "tools/bench_machine.h"
#include "tools/bench_report.h"
#include "tools/bench_steps.h"
#include "tools/bench_transfers.h"
#include "tools/fma_canary.h"
#include "tools/run_settings.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

std::string date_now() {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

void sing(BenchResults& results) {
  if (results.canary_cores > 0) {
    results.canary.push_back(
        {.one_core_flops_per_second = fma_flops_per_second(),
         .together_flops_per_second = fma_flops_per_second(results.canary_cores)});
  }
}

void begin(const BenchResults& results, const Console& console) {
  if (!results.machine.why.empty()) {
    console.print(results.machine.why + "\n");
  }
  const std::string_view slow = ops::why_bf16_is_slow_on_cpu();
  if (!slow.empty() && results.machine.kind == DeviceKind::cpu &&
      dtype_of(results.options.model) == DType::bf16) {
    console.print(std::string(slow) + "\n");
  }
  console.print(fmt::format("{} configurations, {} transfers, {} rounds\n", results.runs.size(),
                            results.transfers.size(), results.options.rounds));
}

BenchResults measure(const BenchOptions& options, const Console& console) {
  BenchResults results{.options = options, .machine = look_at_machine(options), .date = date_now()};
  const auto profile = profile_of(options, results.machine.kind, results.machine.cuda);
  StepBench steps(results, profile.value_or(PlanOptions().device));
  const int ranks = steps.most_ranks();
  results.transfers = transfers_among(ranks, listed_sizes(options));
  if (results.machine.kind == DeviceKind::cpu) {
    results.canary_cores = std::min(results.machine.cores, ranks * options.threads_per_rank);
  }
  if (!options.json) {
    begin(results, console);
  }
  const ThreadWorldOptions world{
      .ranks = ranks, .threads_per_rank = options.threads_per_rank, .device = results.machine.kind};
  for (int round = 0; round < options.rounds; ++round) {
    sing(results);
    steps.run_round(round);
    measure_transfers(world, results.transfers);
  }
  return results;
}

}  // namespace

void run_bench(const BenchOptions& options, const Console& console) {
  check(options);
  // Opened first, or hours of measuring would be lost.
  std::optional<train::OutputFile> file;
  if (!options.save.empty()) {
    file.emplace(options.save);
  }
  const BenchResults results = measure(options, console);
  const std::string json = as_json(results).dump() + "\n";
  console.print(options.json ? json : as_text(results));
  if (file) {
    file->write(json);
    file->close();
  }
}

}  // namespace lockflight::tools
