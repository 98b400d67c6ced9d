// How long it takes to lower, prove and simulate, and how much memory the program and each take.
//
//   plan_benchmark                                  64 ranks, and 1,024 with few micro-batches
//   plan_benchmark --largest                        1,024 ranks with 4,096 micro-batches: 8 GB
//
// Arguments in the names: ranks, micro-batches, stages a rank.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/prove.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/registry.h"

namespace lockflight::benchmarks {
namespace {

using schedule::PipelineSize;

double peak_gibibytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

schedule::Schedule schedule_of(PipelineSize size) {
  return schedule::make_schedule(size.stages_per_rank == 1 ? "1f1b" : "interleaved", size);
}

void report(benchmark::State& state, const plan::Program& program) {
  std::size_t instructions = 0;
  for (const plan::RankProgram& rank : program.ranks) {
    instructions += rank.instructions.size();
  }
  state.counters["instructions"] = static_cast<double>(instructions);
  state.counters["process_peak_GiB"] = peak_gibibytes();
}

void lower(benchmark::State& state, PipelineSize size) {
  const schedule::Schedule schedule = schedule_of(size);
  for ([[maybe_unused]] const auto& iteration : state) {
    plan::Program program = plan::lower(schedule, {});
    benchmark::DoNotOptimize(program);
  }
  report(state, plan::lower(schedule, {}));
}

void prove(benchmark::State& state, PipelineSize size) {
  const plan::Program program = plan::lower(schedule_of(size), {});
  for ([[maybe_unused]] const auto& iteration : state) {
    if (!plan::prove(program).proved()) {
      state.SkipWithError("the program is not proved");
    }
  }
  report(state, program);
}

void simulate(benchmark::State& state, PipelineSize size) {
  const plan::Program program = plan::lower(schedule_of(size), {});
  plan::StepCosts costs{.link = {.latency = 0.1}};
  costs.stages.resize(static_cast<std::size_t>(size.ranks * size.stages_per_rank));
  for ([[maybe_unused]] const auto& iteration : state) {
    benchmark::DoNotOptimize(plan::simulate(program, costs).makespan);
  }
  report(state, program);
}

void add(const char* what, void (*run)(benchmark::State&, PipelineSize), PipelineSize size) {
  const std::string name = std::string(what) + "/" + std::to_string(size.ranks) + "/" +
                           std::to_string(size.micro_batches) + "/" +
                           std::to_string(size.stages_per_rank);
  benchmark::RegisterBenchmark(name.c_str(), run, size)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace lockflight::benchmarks

int main(int argc, char** argv) {
  using namespace lockflight::benchmarks;
  const auto is_largest = [](const char* word) { return std::strcmp(word, "--largest") == 0; };
  const bool largest = std::any_of(argv, argv + argc, is_largest);
  argc = static_cast<int>(std::remove_if(argv, argv + argc, is_largest) - argv);
  benchmark::Initialize(&argc, argv);
  using Sizes = std::vector<lockflight::schedule::PipelineSize>;
  for (const auto& size : largest ? Sizes{{1024, 4096, 1}} : Sizes{{64, 512, 4}, {1024, 256, 1}}) {
    add("lower", lower, size);
    add("prove", prove, size);
    add("simulate", simulate, size);
  }
  benchmark::RunSpecifiedBenchmarks();
}
