#include "tools/model_flops.h"

#include "lockflight/plan/dry_run.h"

namespace lockflight::tools {
namespace {

// The share of a launch's operations that the model asks for.
double asked_for(const plan::LaunchedOperation& operation) {
  if (operation.name == "attention_backward") {
    return 4.0 / 5.0;  // four products; the fifth gives the scores again
  }
  return operation.name == "matmul" || operation.name == "attention" ? 1 : 0;
}

}  // namespace

double model_flops(nn::Model& model, std::int64_t rows) {
  double flops = 0;
  for (const plan::LayerProfile& layer : plan::dry_run(model, rows)) {
    for (const auto* launched : {&layer.forward, &layer.input_gradient, &layer.weight_gradient}) {
      for (const plan::LaunchedOperation& operation : *launched) {
        flops += asked_for(operation) * static_cast<double>(operation.launches) * operation.flops;
      }
    }
  }
  return flops;
}

}  // namespace lockflight::tools
