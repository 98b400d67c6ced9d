// The CPU kernels at the shapes of the reference model (6 layers, width 384, 6 heads, 256
// positions, 256 tokens, 10.9 M parameters; micro-batches of 2 rows, 8 of them a step), one by one
// and as the whole of a training step.
//
//   ops_benchmark                               everything
//   ops_benchmark --benchmark_filter=step       the step only
//   ops_benchmark --benchmark_filter=bf16       operations on bf16 only
//
// Columns: "peak" is the share of what a loop of nothing but multiply-adds reaches on the same core
// at the same time; GB/s counts every array read or written once. Single operations are held
// against the processor time they took, the step against the clock on the wall, and, where other
// programs have their turns on the cores, also against its processor time ("peak of CPU time").

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include <benchmark/benchmark.h>

#include "benchmarks/reference_step.h"
#include "benchmarks/single_ops.h"
#include "tools/fma_canary.h"

namespace lockflight::benchmarks {
namespace {

using tools::fma_flops_per_second;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

// A canary beside every step; medians over the steps.
void step(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  const auto threads = static_cast<int>(state.range(0));
  Team team(threads);
  ReferenceStep reference(team);
  reference.run();
  const double flops_per_token = 6.0 * static_cast<double>(reference.parameters_in_products()) +
                                 12.0 * static_cast<double>(kLayers * T * C);
  std::vector<double> speeds;
  std::vector<double> shares;
  std::vector<double> shares_of_cpu;
  for (auto _ : state) {
    const double peak = fma_flops_per_second();
    const Clock::time_point start = Clock::now();
    const std::clock_t cpu_start = std::clock();  // of all threads together
    reference.run();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    state.SetIterationTime(seconds);
    speeds.push_back(static_cast<double>(N * kMicroBatches) / seconds);
    shares.push_back(speeds.back() * flops_per_token / peak / threads);
    shares_of_cpu.push_back(shares.back() * seconds * threads / cpu_seconds);
  }
  state.counters["tokens/s"] = median(speeds);
  state.counters["peak"] = median(shares);
  state.counters["peak of CPU time"] = median(shares_of_cpu);
  state.counters["canary GFLOP/s"] = fma_flops_per_second() * 1e-9;
}

}  // namespace
}  // namespace lockflight::benchmarks

int main(int argc, char** argv) {
  using namespace lockflight::benchmarks;
  register_products(lockflight::DType::f32);
  register_others();
  register_products(lockflight::DType::bf16);
  register_others_on_bf16();
  benchmark::RegisterBenchmark("step/threads", step)
      ->Arg(1)
      ->Arg(2)
      ->UseManualTime()
      ->Iterations(5)
      ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
