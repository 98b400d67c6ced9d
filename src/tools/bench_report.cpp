#include "tools/bench_report.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "lockflight/plan/memory.h"
#include "tools/devices_command.h"

namespace lockflight::tools {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json to_json(const Summary& summary) {
  return {{"median", summary.median},
          {"lower_quartile", summary.lower_quartile},
          {"upper_quartile", summary.upper_quartile},
          {"least", summary.least},
          {"most", summary.most}};
}

Json to_json(const std::optional<Summary>& summary) { return summary ? to_json(*summary) : Json(); }

Json to_json(const BenchMachine& machine) {
  return {{"device", name_of(machine.kind)},
          {"devices", machine.devices},
          {"virtual", machine.emulated},
          {"cublaslt", text_or_null(machine.cublaslt_version)},
          {"nccl", text_or_null(machine.nccl_version)},
          {"peak", machine.peak ? Json({{"profile", machine.peak->profile},
                                        {"flops_per_second", machine.peak->flops_per_second}})
                                : Json()},
          {"why_no_peak", text_or_null(machine.why_no_peak)},
          {"all", devices_as_json(machine.cuda)}};
}

Json settings_json(const BenchOptions& options) {
  return {{"micro_batches", options.micro_batches},
          {"micro_batch_rows", options.micro_batch_rows},
          {"rounds", options.rounds},
          {"steps", options.steps},
          {"warmup", options.warmup},
          {"threads_per_rank", options.threads_per_rank}};
}

Json samples_json(const std::vector<StepSample>& samples) {
  Json array = Json::array();
  for (const StepSample& sample : samples) {
    array.push_back({{"round", sample.round},
                     {"step_seconds", sample.step_seconds},
                     {"idle_share", sample.idle_share},
                     {"overlapped_share", number(sample.overlapped_share)},
                     {"host_seconds_per_action", sample.host_seconds_per_action}});
  }
  return array;
}

Json to_json(const BenchResults& results, const BenchRun& run) {
  const StepFigures figures = figures_of(results, run);
  return {{"ranks", run.ranks},
          {"schedule", run.schedule},
          {"stages_per_rank", run.stages_per_rank},
          {"step_seconds", to_json(figures.step_seconds)},
          {"tokens_per_second", number(figures.tokens_per_second)},
          {"times_the_first", number(figures.times_the_first)},
          {"flop_utilisation", number(figures.flop_utilisation)},
          {"idle_share", to_json(figures.idle_share)},
          {"predicted_idle_share", run.predicted_idle_share},
          {"predicted_step_seconds", run.predicted_step_seconds},
          {"host_seconds_per_action", to_json(figures.host_seconds_per_action)},
          {"overlapped_share", to_json(figures.overlapped_share)},
          {"samples", samples_json(run.samples)}};
}

Json to_json(const BenchResults& results, const TransferRun& transfer) {
  const TransferFigures figures = figures_of(results, transfer);
  return {{"from", transfer.from},
          {"to", transfer.to},
          {"bytes", transfer.bytes},
          {"seconds", to_json(figures.seconds)},
          {"bytes_per_second", number(figures.bytes_per_second)},
          {"samples", transfer.seconds}};
}

Json canary_json(const BenchResults& results) {
  if (results.canary.empty()) {
    return {};
  }
  Json samples = Json::array();
  for (const CanarySample& sample : results.canary) {
    samples.push_back({{"one_core_flops_per_second", sample.one_core_flops_per_second},
                       {"together_flops_per_second", sample.together_flops_per_second}});
  }
  return {{"cores", results.canary_cores}, {"samples", samples}};
}

std::string digits(const std::optional<double>& value, double factor, int places) {
  return value ? fmt::format("{:.{}f}", *value * factor, places) : "-";
}

std::string percent(const std::optional<double>& share) { return digits(share, 100, 1); }

// "8 x NVIDIA H100 80GB HBM3", or one after another.
std::string devices_text(const std::vector<std::string>& names) {
  const bool same =
      std::ranges::all_of(names, [&](const std::string& name) { return name == names.front(); });
  return same && names.size() > 1 ? fmt::format("{} x {}", names.size(), names.front())
                                  : fmt::format("{}", fmt::join(names, ", "));
}

std::string head_text(const BenchResults& results) {
  const BenchMachine& machine = results.machine;
  std::string text = fmt::format("lockflight {}, {}, {}: {}\n", LOCKFLIGHT_VERSION, results.date,
                                 name_of(machine.kind), devices_text(machine.devices));
  if (machine.emulated) {
    text +=
        "the device is virtual: no time here says anything about any hardware, so rates are left "
        "out\n";
  }
  const BenchOptions& options = results.options;
  text += fmt::format(
      "{}; {}, {:.2f} M parameters, {} micro-batches of {} rows, {:.4g} TFLOP a step\n",
      results.model.name, results.model.dtype, static_cast<double>(results.model.parameters) * 1e-6,
      options.micro_batches, options.micro_batch_rows, results.model.step_flops * 1e-12);
  return text + (machine.peak
                     ? fmt::format("utilisation of the {:.4g} TFLOP/s of {} for every rank\n",
                                   machine.peak->flops_per_second * 1e-12, machine.peak->profile)
                     : fmt::format("utilisation unknown: {}\n", machine.why_no_peak));
}

std::string canary_text(const BenchResults& results) {
  if (results.canary.empty()) {
    return {};
  }
  std::vector<double> one;
  std::vector<double> together;
  for (const CanarySample& sample : results.canary) {
    one.push_back(sample.one_core_flops_per_second);
    together.push_back(sample.together_flops_per_second);
  }
  return fmt::format("canary: multiply-adds {:.1f} GFLOP/s on one core, {:.1f} on {} together\n",
                     median(one) * 1e-9, median(together) * 1e-9, results.canary_cores);
}

std::string steps_text(const BenchResults& results) {
  std::string text = fmt::format(
      "\n{:>5}  {:<14}  {:>6}  {:>10}  {:>21}  {:>10}  {:>8}  {:>6}  {:>6}  {:>8}  {:>7}  {:>7}\n",
      "ranks", "schedule", "stages", "step ms", "quartiles", "tokens/s", "of first", "MFU %",
      "idle %", "expected", "host us", "overlap");
  for (const BenchRun& run : results.runs) {
    const StepFigures figures = figures_of(results, run);
    const Summary& step = figures.step_seconds;
    const std::optional<double> overlap =
        figures.overlapped_share ? std::optional(figures.overlapped_share->median) : std::nullopt;
    text += fmt::format(
        "{:>5}  {:<14}  {:>6}  {:>10.3f}  {:>21}  {:>10}  {:>8}  {:>6}  {:>6}  {:>8}  {:>7}  "
        "{:>7}\n",
        run.ranks, run.schedule, run.ranks * run.stages_per_rank, step.median * 1e3,
        fmt::format("{:.3f} - {:.3f}", step.lower_quartile * 1e3, step.upper_quartile * 1e3),
        digits(figures.tokens_per_second, 1, 0), digits(figures.times_the_first, 1, 3),
        percent(figures.flop_utilisation), percent(figures.idle_share.median),
        percent(run.predicted_idle_share), digits(figures.host_seconds_per_action.median, 1e6, 2),
        percent(overlap));
  }
  return text + fmt::format(
                    "medians of {} rounds of {} steps, all configurations in turn; idle up to a "
                    "common end; host: to\nenqueue an action; overlap: % of the time of transfers "
                    "in which their ends compute\n",
                    results.options.rounds, results.options.steps);
}

std::string transfers_text(const BenchResults& results) {
  if (results.transfers.empty()) {
    return {};
  }
  std::string text =
      fmt::format("\n{:>4}  {:>4}  {:>9}  {:>10}  {:>8}\n", "from", "to", "size", "us", "GB/s");
  for (const TransferRun& transfer : results.transfers) {
    const TransferFigures figures = figures_of(results, transfer);
    text += fmt::format("{:>4}  {:>4}  {:>9}  {:>10.2f}  {:>8}\n", transfer.from, transfer.to,
                        bytes_text(transfer.bytes), figures.seconds.median * 1e6,
                        digits(figures.bytes_per_second, 1e-9, 3));
  }
  return text;
}

std::string skipped_text(const BenchResults& results) {
  std::string text = results.skipped.empty() ? "" : "\n";
  for (const SkippedRun& skipped : results.skipped) {
    text +=
        fmt::format("left out: {} on {} ranks: {}\n", skipped.schedule, skipped.ranks, skipped.why);
  }
  return text;
}

}  // namespace

Json as_json(const BenchResults& results) {
  Json runs = Json::array();
  for (const BenchRun& run : results.runs) {
    runs.push_back(to_json(results, run));
  }
  Json skipped = Json::array();
  for (const SkippedRun& run : results.skipped) {
    skipped.push_back({{"ranks", run.ranks}, {"schedule", run.schedule}, {"why", run.why}});
  }
  Json transfers = Json::array();
  for (const TransferRun& transfer : results.transfers) {
    transfers.push_back(to_json(results, transfer));
  }
  return {{"format", "lockflight bench"},
          {"version", 1},
          {"lockflight", LOCKFLIGHT_VERSION},
          {"date", results.date},
          {"machine", to_json(results.machine)},
          {"model",
           {{"name", results.model.name},
            {"parameters", results.model.parameters},
            {"dtype", results.model.dtype},
            {"step_flops", results.model.step_flops},
            {"step_tokens", results.model.step_tokens}}},
          {"settings", settings_json(results.options)},
          {"runs", runs},
          {"skipped", skipped},
          {"transfers", transfers},
          {"canary", canary_json(results)},
          {"layers", Json::parse(plan::to_json(results.layers))}};
}

std::string as_text(const BenchResults& results) {
  return head_text(results) + canary_text(results) + steps_text(results) + transfers_text(results) +
         skipped_text(results);
}

}  // namespace lockflight::tools
