#include "partition/costs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

namespace lockflight::partition {
namespace {

constexpr int kTickBits = 51;  // of most_seconds(): doubles then hold every sum of ticks exactly
const Link kFree;

double work_of(const Layer& layer) {
  return layer.forward + layer.input_gradient + layer.weight_gradient;
}

std::int64_t least_of(const Problem& problem, const Layer& layer, std::int64_t Layer::*bytes,
                      std::int64_t Recomputed::*recomputed_bytes) {
  return problem.recompute && layer.recomputed
             ? std::min(layer.*bytes, *layer.recomputed.*recomputed_bytes)
             : layer.*bytes;
}

template <typename T, typename F>
std::vector<T> sums_before(const std::vector<Layer>& layers, F of) {
  std::vector<T> before(layers.size() + 1, T{});
  std::transform_inclusive_scan(layers.begin(), layers.end(), before.begin() + 1, std::plus<>(),
                                of);
  return before;
}

template <typename F>
RangeMax largest_of(const std::vector<Layer>& layers, F of) {
  std::vector<std::int64_t> values(layers.size());
  std::ranges::transform(layers, values.begin(), of);
  return RangeMax(std::move(values));
}

}  // namespace

double most_seconds(const Problem& problem) {
  double work = 0;
  std::int64_t output = 0;
  for (const Layer& layer : problem.layers) {
    work += work_of(layer) + (layer.recomputed ? layer.recomputed->seconds : 0);
    output = std::max(output, layer.output_bytes);
  }
  double slowest = problem.ranks.front().speed;
  for (const Rank& rank : problem.ranks) {
    slowest = std::min(slowest, rank.speed);
  }
  double transfer = 0;
  for (const Link& link : problem.links) {
    transfer = std::max(transfer,
                        link.latency_seconds + static_cast<double>(output) / link.bytes_per_second);
  }
  return work / slowest + 2 * transfer * problem.stages();
}

RangeMax::RangeMax(std::vector<std::int64_t> values) {
  level_.push_back(std::move(values));
  for (std::size_t half = 1; 2 * half <= level_.front().size(); half *= 2) {
    const std::vector<std::int64_t>& below = level_.back();
    std::vector<std::int64_t> level(below.size() - half);
    for (std::size_t i = 0; i < level.size(); ++i) {
      level[i] = std::max(below[i], below[i + half]);
    }
    level_.push_back(std::move(level));
  }
}

std::int64_t RangeMax::operator()(int begin, int end) const {
  const unsigned run = std::bit_floor(static_cast<unsigned>(end - begin));
  const std::vector<std::int64_t>& level = level_[std::countr_zero(run)];
  return std::max(level[begin], level[end - run]);
}

void Memory::add(const Memory& other) {
  held += other.held;
  transient = std::max(transient, other.transient);
}

Costs::Costs(const Problem& problem)
    : problem_(problem),
      parameters_before_(sums_before<std::int64_t>(
          problem.layers, [](const Layer& layer) { return layer.parameter_bytes; })),
      saved_before_(sums_before<std::int64_t>(
          problem.layers, [](const Layer& layer) { return layer.saved_bytes; })),
      least_saved_before_(sums_before<std::int64_t>(
          problem.layers,
          [&](const Layer& layer) {
            return least_of(problem, layer, &Layer::saved_bytes, &Recomputed::saved_bytes);
          })),
      transient_(
          largest_of(problem.layers, [](const Layer& layer) { return layer.transient_bytes; })),
      least_transient_(largest_of(problem.layers, [&](const Layer& layer) {
        return least_of(problem, layer, &Layer::transient_bytes, &Recomputed::transient_bytes);
      })) {
  int bits = 0;
  std::frexp(most_seconds(problem), &bits);
  exponent_ = kTickBits - bits;
  work_before_ = sums_before<double>(problem.layers, [&](const Layer& layer) {
    return static_cast<double>(to_ticks(work_of(layer)));
  });
  from_before_ = transfers(1);
  from_behind_ = transfers(-1);
}

std::vector<Ticks> Costs::transfers(int step) const {
  std::vector<Ticks> times(static_cast<std::size_t>(stages()) * problem_.layers.size());
  for (int stage = 0; stage < stages(); ++stage) {
    const int from = stage - step;
    for (int layer = 0; from >= 0 && from < stages() && layer < layers(); ++layer) {
      times[place_of(stage, layer)] = transfer(from, stage, layer);
    }
  }
  return times;
}

Ticks Costs::to_ticks(double seconds) const { return std::llround(std::ldexp(seconds, exponent_)); }

double Costs::seconds(Ticks ticks) const {
  return std::ldexp(static_cast<double>(ticks), -exponent_);
}

const Link& Costs::link(int from_rank, int to_rank) const {
  return problem_.links.empty() ? kFree
                                : problem_.links[from_rank * problem_.ranks.size() + to_rank];
}

Ticks Costs::transfer(int from_stage, int to_stage, int layer) const {
  const int from = rank_of(from_stage);
  const int to = rank_of(to_stage);
  if (from == to || problem_.links.empty()) {
    return 0;
  }
  const auto bytes = static_cast<double>(problem_.layers[layer].output_bytes);
  const Link& over = link(from, to);
  return to_ticks(over.latency_seconds + bytes / over.bytes_per_second);
}

Ticks Costs::entry(int stage, int begin) const {
  return (stage == 0 ? 0 : from_before_[place_of(stage, begin - 1)]) - work(stage, begin);
}

Ticks Costs::exit(int stage, int end) const {
  return (stage + 1 == stages() ? 0 : from_behind_[place_of(stage, end - 1)]) + work(stage, end);
}

bool Costs::alike(int a, int b) const {
  const auto same = [](const Link& x, const Link& y) {
    return x.latency_seconds == y.latency_seconds && x.bytes_per_second == y.bytes_per_second;
  };
  const auto from = [&](int s, int neighbour) {
    return rank_of(s) == rank_of(neighbour) ? kFree : link(rank_of(neighbour), rank_of(s));
  };
  const auto inner = [&](int s) { return s > 0 && s + 1 < stages(); };
  return inner(a) && inner(b) && rank_at(a).speed == rank_at(b).speed &&
         same(from(a, a - 1), from(b, b - 1)) && same(from(a, a + 1), from(b, b + 1));
}

Ticks Costs::recomputing(int rank, int layer) const {
  const auto ticks = static_cast<double>(to_ticks(problem_.layers[layer].recomputed->seconds));
  return static_cast<Ticks>(ticks / problem_.ranks[rank].speed);
}

Memory Costs::memory_of(int stage, int layer, bool recomputed) const {
  const Layer& of = problem_.layers[layer];
  return {
      .held = of.parameter_bytes + problem_.in_flight[stage] *
                                       (recomputed ? of.recomputed->saved_bytes : of.saved_bytes),
      .transient = recomputed ? of.recomputed->transient_bytes : of.transient_bytes};
}

Memory Costs::memory(int stage, int begin, int end) const {
  return {.held = parameters_before_[end] - parameters_before_[begin] +
                  problem_.in_flight[stage] * (saved_before_[end] - saved_before_[begin]),
          .transient = transient_(begin, end)};
}

Memory Costs::least_memory(int stage, int begin, int end) const {
  return {
      .held = parameters_before_[end] - parameters_before_[begin] +
              problem_.in_flight[stage] * (least_saved_before_[end] - least_saved_before_[begin]),
      .transient = least_transient_(begin, end)};
}

}  // namespace lockflight::partition
