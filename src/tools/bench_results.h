// What lockflight bench has measured, and the figures that follow from it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/device/cuda_device.h"
#include "lockflight/plan/profile.h"
#include "tools/bench_options.h"
#include "tools/statistics.h"

namespace lockflight::tools {

/// What a rank's device can do at most.
struct Peak {
  std::string profile;  ///< whose figure it is
  double flops_per_second = 0;
};

/// What the figures are figures of.
struct BenchMachine {
  DeviceKind kind = DeviceKind::cpu;
  std::string why;                   ///< one sentence where auto takes the CPU; else empty
  std::vector<std::string> devices;  ///< names, by CUDA's number; one for the CPU
  bool emulated = false;             ///< devices that only act like GPUs
  int cores = 1;
  CudaSupport cuda;
  std::string cublaslt_version;  ///< empty where CUDA is not used
  std::string nccl_version;
  std::optional<Peak> peak;
  std::string why_no_peak;
};

struct BenchModel {
  std::string name;
  std::int64_t parameters = 0;
  std::string dtype;
  double step_flops = 0;  ///< see model_flops
  std::int64_t step_tokens = 0;
};

struct StepSample {
  int round = 0;
  double step_seconds = 0;  ///< forwards, backwards and the update, to their end
  double idle_share = 0;    ///< of forwards and backwards, as Timeline has it
  std::optional<double> overlapped_share;
  double host_seconds_per_action = 0;
};

/// One configuration.
struct BenchRun {
  int ranks = 1;
  std::string schedule;
  int stages_per_rank = 1;
  double predicted_step_seconds = 0;  ///< without the update
  double predicted_idle_share = 0;
  std::vector<StepSample> samples;
};

struct SkippedRun {
  int ranks = 1;
  std::string schedule;
  std::string why;
};

/// One size from one rank to a neighbour.
struct TransferRun {
  int from = 0;
  int to = 0;
  std::size_t bytes = 0;
  std::vector<double> seconds;
};

/// What one core does, and what several do together, in one round.
struct CanarySample {
  double one_core_flops_per_second = 0;
  double together_flops_per_second = 0;
};

struct BenchResults {
  BenchOptions options;
  BenchMachine machine;
  BenchModel model;
  std::string date;  ///< UTC, ISO 8601
  plan::Profile layers;
  std::vector<BenchRun> runs;
  std::vector<SkippedRun> skipped;
  std::vector<TransferRun> transfers;
  int canary_cores = 0;              ///< that ran together
  std::vector<CanarySample> canary;  ///< by round; none on GPUs
};

/// What one configuration comes to.  Rates are none on emulated devices: their times say nothing of
/// any hardware.
struct StepFigures {
  Summary step_seconds;
  Summary idle_share;
  Summary host_seconds_per_action;
  std::optional<Summary> overlapped_share;  ///< none without transfers
  std::optional<double> tokens_per_second;
  std::optional<double> flop_utilisation;  ///< none without a peak
  /// How many times as fast as the first configuration: the median of the rounds' ratios.
  std::optional<double> times_the_first;
};

StepFigures figures_of(const BenchResults& results, const BenchRun& run);

struct TransferFigures {
  Summary seconds;
  std::optional<double> bytes_per_second;
};

TransferFigures figures_of(const BenchResults& results, const TransferRun& run);

}  // namespace lockflight::tools
