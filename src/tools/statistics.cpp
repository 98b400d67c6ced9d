#include "tools/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace lockflight::tools {
namespace {

// The value below which a share of the ascending samples lies.
double quantile(const std::vector<double>& samples, double share) {
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return std::lerp(samples[below], samples[above], place - std::floor(place));
}

}  // namespace

Summary summary_of(std::vector<double> samples) {
  if (samples.empty()) {
    return {};
  }
  std::ranges::sort(samples);
  return {.least = samples.front(),
          .lower_quartile = quantile(samples, 0.25),
          .median = quantile(samples, 0.5),
          .upper_quartile = quantile(samples, 0.75),
          .most = samples.back()};
}

double median(std::vector<double> samples) { return summary_of(std::move(samples)).median; }

}  // namespace lockflight::tools
