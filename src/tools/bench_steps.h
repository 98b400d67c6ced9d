// Whole steps, by configuration.

#pragma once

#include "lockflight/plan/device_profile.h"
#include "lockflight/plan/plan.h"
#include "tools/bench_results.h"

namespace lockflight::tools {

/// All configurations of one call, planned.
class StepBench {
 public:
  /// Measures the layers and plans.  What cannot be planned is skipped with the reason.  Throws, if
  /// nothing is left, PlanError where a plan was refused and else InvalidArgument; DeviceError.
  /// Results and options must outlive it; fills in model, layers, runs and skipped.
  ///   device   of every rank, for hosts and links
  StepBench(BenchResults& results, const plan::DeviceProfile& device);

  /// Every configuration once, from a new pipeline on: adds its samples.
  void run_round(int round);

  /// The most ranks of any configuration.
  int most_ranks() const;

 private:
  void plan_all(const plan::DeviceProfile& device);
  void measure(BenchRun& run, const Plan& plan, int round);

  BenchResults& results_;
  std::vector<Plan> plans_;  // of results_.runs
};

/// The ranks that the options mean on this machine.
std::vector<int> ranks_of(const BenchOptions& options, const BenchMachine& machine);

}  // namespace lockflight::tools
