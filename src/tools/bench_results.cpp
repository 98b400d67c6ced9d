#include "tools/bench_results.h"

#include <algorithm>

namespace lockflight::tools {
namespace {

template <typename Figure>
Summary summary_over(const std::vector<StepSample>& samples, Figure&& figure) {
  std::vector<double> values;
  for (const StepSample& sample : samples) {
    values.push_back(figure(sample));
  }
  return summary_of(std::move(values));
}

std::optional<Summary> overlap_of(const std::vector<StepSample>& samples) {
  std::vector<double> shares;
  for (const StepSample& sample : samples) {
    if (sample.overlapped_share) {
      shares.push_back(*sample.overlapped_share);
    }
  }
  return shares.empty() ? std::nullopt : std::optional(summary_of(std::move(shares)));
}

double median_of_round(const BenchRun& run, int round) {
  std::vector<double> seconds;
  for (const StepSample& sample : run.samples) {
    if (sample.round == round) {
      seconds.push_back(sample.step_seconds);
    }
  }
  return median(std::move(seconds));
}

double times(const BenchRun& first, const BenchRun& run, int rounds) {
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    ratios.push_back(median_of_round(first, round) / median_of_round(run, round));
  }
  return median(std::move(ratios));
}

}  // namespace

StepFigures figures_of(const BenchResults& results, const BenchRun& run) {
  const auto over = [&](auto member) {
    return summary_over(run.samples, [=](const StepSample& sample) { return sample.*member; });
  };
  StepFigures figures{.step_seconds = over(&StepSample::step_seconds),
                      .idle_share = over(&StepSample::idle_share),
                      .host_seconds_per_action = over(&StepSample::host_seconds_per_action),
                      .overlapped_share = overlap_of(run.samples)};
  if (results.machine.emulated) {
    return figures;
  }
  const double seconds = figures.step_seconds.median;
  figures.tokens_per_second = static_cast<double>(results.model.step_tokens) / seconds;
  figures.times_the_first = times(results.runs.front(), run, results.options.rounds);
  if (results.machine.peak) {
    figures.flop_utilisation =
        results.model.step_flops / (seconds * run.ranks * results.machine.peak->flops_per_second);
  }
  return figures;
}

TransferFigures figures_of(const BenchResults& results, const TransferRun& run) {
  TransferFigures figures{.seconds = summary_of(run.seconds)};
  if (!results.machine.emulated && figures.seconds.median > 0) {
    figures.bytes_per_second = static_cast<double>(run.bytes) / figures.seconds.median;
  }
  return figures;
}

}  // namespace lockflight::tools
