// Operations that are measured one by one.

#pragma once

#include "lockflight/core/dtype.h"

namespace lockflight::benchmarks {

/// Of the reference model's linear layers: y, dx and dweight.
void register_products(DType dtype);
void register_others();
void register_others_on_bf16();

}  // namespace lockflight::benchmarks
