// How much a model has to compute, whatever it is run on.

#pragma once

#include <cstdint>

#include "lockflight/nn/model.h"

namespace lockflight::tools {

/// Floating-point operations of all products and of attention, forward and backward, on `rows`
/// rows: what utilisation is a share of.  Of attention the half that the mask leaves; what a
/// backward computes again does not count.  The model must be without memory, and is so
/// afterwards.
double model_flops(nn::Model& model, std::int64_t rows);

}  // namespace lockflight::tools
