#include "tools/fma_canary.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tools/fma_canary.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lockflight::tools::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Ten independent sums: more than the latency times the throughput of any core so far. Their
// starting values differ, or the compiler computes one for all; what comes out is returned, or it
// computes none. Sets *operations.
float multiply_and_add(float seed, std::int64_t rounds, double* operations) {
  const hn::ScalableTag<float> floats;
  const auto factor = hn::Set(floats, 0.999F);
  const auto term = hn::Set(floats, 0.001F);
  auto a = hn::Set(floats, seed);
  auto b = a + a, c = b + a, d = c + a, e = d + a, f = e + a, g = f + a, h = g + a, i = h + a;
  auto j = i + a;
  for (std::int64_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, factor, term);
    b = hn::MulAdd(b, factor, term);
    c = hn::MulAdd(c, factor, term);
    d = hn::MulAdd(d, factor, term);
    e = hn::MulAdd(e, factor, term);
    f = hn::MulAdd(f, factor, term);
    g = hn::MulAdd(g, factor, term);
    h = hn::MulAdd(h, factor, term);
    i = hn::MulAdd(i, factor, term);
    j = hn::MulAdd(j, factor, term);
  }
  *operations = 2.0 * 10.0 * static_cast<double>(hn::Lanes(floats)) * static_cast<double>(rounds);
  return hn::GetLane(a + b + c + d + e + f + g + h + i + j);
}

}  // namespace lockflight::tools::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::tools {
namespace {

HWY_EXPORT(multiply_and_add);

}  // namespace

double fma_flops_per_second() {
  using Clock = std::chrono::steady_clock;
  [[maybe_unused]] volatile float sink = 0.0F;
  volatile float seed = 1.0F;
  double best = 0.0;
  for (int loop = 0; loop < 10; ++loop) {
    double operations = 0.0;
    const Clock::time_point start = Clock::now();
    sink = HWY_DYNAMIC_DISPATCH(multiply_and_add)(seed, 300'000, &operations);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, operations / seconds);
  }
  return best;
}

double fma_flops_per_second(int threads) {
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::thread> workers;
  for (double& rate : rates) {
    workers.emplace_back([&rate] { rate = fma_flops_per_second(); });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace lockflight::tools
#endif
