#include "lockflight/plan/estimate_profile.h"

#include <algorithm>

namespace lockflight::plan {
namespace {

double seconds_of(const LaunchedOperations& operations, const DeviceProfile& device) {
  double seconds = 0;
  for (const LaunchedOperation& operation : operations) {
    const OperationRates& rates = device.rates_of(operation.name, operation.dtype);
    const double flops_per_second = device.flops_per_second(rates, operation.dtype);
    const double work =
        std::max(operation.flops / (flops_per_second * rates.flops_share),
                 operation.bytes_moved / (device.bytes_per_second * rates.bytes_share));
    seconds += static_cast<double>(operation.launches) * (device.launch_seconds + work);
  }
  return seconds;
}

}  // namespace

Profile estimate_profile(const std::vector<LayerProfile>& layers, std::int64_t rows,
                         const DeviceProfile& device) {
  Profile profile{.device = device.name, .measured = false, .rows = rows, .layers = {}};
  for (const LayerProfile& layer : layers) {
    LayerCost& cost = profile.layers.emplace_back(cost_of(layer));
    cost.seconds = {.forward = seconds_of(layer.forward, device),
                    .input_gradient = seconds_of(layer.input_gradient, device),
                    .weight_gradient = seconds_of(layer.weight_gradient, device)};
  }
  return profile;
}

}  // namespace lockflight::plan
