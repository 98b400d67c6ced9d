#include "tools/bench_results.h"

#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "tools/bench_machine.h"

namespace lockflight::tools {
namespace {

// Two configurations in two rounds of two steps: one rank takes 2 s and, when the machine is slow,
// 4 s; two ranks take half of it and once much longer.
BenchResults results_of_two_rounds() {
  BenchResults results;
  results.options.rounds = 2;
  results.model = {.dtype = "f32", .step_flops = 600, .step_tokens = 1000};
  results.machine.peak = Peak{.profile = "one", .flops_per_second = 500};
  const auto samples = [](std::vector<double> seconds) {
    std::vector<StepSample> made;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      made.push_back({.round = static_cast<int>(i / 2),
                      .step_seconds = seconds[i],
                      .idle_share = 0.25,
                      .host_seconds_per_action = 1e-6});
    }
    return made;
  };
  results.runs.push_back({.ranks = 1, .schedule = "1f1b", .samples = samples({2, 2, 4, 4})});
  results.runs.push_back({.ranks = 2, .schedule = "1f1b", .samples = samples({1, 1, 2, 10})});
  results.transfers.push_back({.from = 0, .to = 1, .bytes = 4096, .seconds = {4e-6, 1e-6, 2e-6}});
  return results;
}

TEST(BenchResultsTest, RatesAreThoseOfTheMedianStep) {
  const BenchResults results = results_of_two_rounds();
  const StepFigures one = figures_of(results, results.runs[0]);
  EXPECT_DOUBLE_EQ(one.step_seconds.median, 3);
  EXPECT_DOUBLE_EQ(one.tokens_per_second.value(), 1000 / 3.0);
  EXPECT_DOUBLE_EQ(one.flop_utilisation.value(), 600 / (3 * 500.0));
  EXPECT_DOUBLE_EQ(one.times_the_first.value(), 1);
  EXPECT_DOUBLE_EQ(one.idle_share.median, 0.25);
  EXPECT_FALSE(one.overlapped_share.has_value());
  const StepFigures two = figures_of(results, results.runs[1]);
  EXPECT_DOUBLE_EQ(two.flop_utilisation.value(), 600 / (1.5 * 2 * 500.0));
  EXPECT_DOUBLE_EQ(figures_of(results, results.transfers[0]).bytes_per_second.value(), 4096 / 2e-6);
}

TEST(BenchResultsTest, ComparesConfigurationsWithinARound) {
  const BenchResults results = results_of_two_rounds();
  // 2 in the first round, 4/6 in the second.
  EXPECT_DOUBLE_EQ(figures_of(results, results.runs[1]).times_the_first.value(), (2 + 4.0 / 6) / 2);
}

TEST(BenchResultsTest, WithoutAPeakThereIsNoUtilisation) {
  BenchResults results = results_of_two_rounds();
  results.machine.peak.reset();
  const StepFigures figures = figures_of(results, results.runs[0]);
  EXPECT_FALSE(figures.flop_utilisation.has_value());
  EXPECT_TRUE(figures.tokens_per_second.has_value());
}

TEST(BenchResultsTest, EmulatedDevicesHaveNoRates) {
  BenchResults results = results_of_two_rounds();
  results.machine.emulated = true;
  const StepFigures figures = figures_of(results, results.runs[1]);
  EXPECT_FALSE(figures.flop_utilisation.has_value());
  EXPECT_FALSE(figures.tokens_per_second.has_value());
  EXPECT_FALSE(figures.times_the_first.has_value());
  EXPECT_FALSE(figures_of(results, results.transfers[0]).bytes_per_second.has_value());
}

CudaSupport gpus(const std::vector<std::string>& names) {
  CudaSupport support;
  for (const std::string& name : names) {
    support.devices.push_back({.name = name});
  }
  return support;
}

TEST(BenchMachineTest, KnowsThePeakOfGpusByTheirNamesAndOfAProfileThatIsGiven) {
  BenchOptions options;
  const std::string h100 = "NVIDIA H100 80GB HBM3";
  BenchMachine machine = describe_machine(options, DeviceKind::cuda, gpus({h100, h100}));
  EXPECT_EQ(machine.peak.value().profile, "h100-sxm");
  EXPECT_DOUBLE_EQ(machine.peak->flops_per_second, 494.5e12);
  options.model.dtype = "bf16";
  machine = describe_machine(options, DeviceKind::cuda, gpus({h100}));
  EXPECT_DOUBLE_EQ(machine.peak.value().flops_per_second, 989.5e12);
  options.device_profile = "a100";
  machine = describe_machine(options, DeviceKind::cuda, gpus({h100}));
  EXPECT_EQ(machine.peak.value().profile, "a100-80gb");
  options.device_profile = "soup";
  EXPECT_THROW(describe_machine(options, DeviceKind::cuda, gpus({h100})), InvalidArgument);
}

TEST(BenchMachineTest, InventsNoPeak) {
  const BenchOptions options;
  for (const CudaSupport& support :
       {gpus({"NVIDIA H100 PCIe"}), gpus({"NVIDIA H100 80GB HBM3", "NVIDIA L4"})}) {
    const BenchMachine machine = describe_machine(options, DeviceKind::cuda, support);
    EXPECT_FALSE(machine.peak.has_value());
    EXPECT_NE(machine.why_no_peak, "");
    EXPECT_FALSE(machine.emulated);
  }
  EXPECT_FALSE(describe_machine(options, DeviceKind::cpu, {}).peak.has_value());
}

TEST(BenchMachineTest, ADeviceThatCallsItselfVirtualHasNoPeakWhateverIsGiven) {
  BenchOptions options;
  options.device_profile = "h100";
  const BenchMachine machine =
      describe_machine(options, DeviceKind::cuda, gpus({"Some Virtual GPU 0"}));
  EXPECT_TRUE(machine.emulated);
  EXPECT_FALSE(machine.peak.has_value());
}

}  // namespace
}  // namespace lockflight::tools
