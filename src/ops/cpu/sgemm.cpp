#include "ops/cpu/sgemm.h"

#include <dnnl.h>
#include <fmt/core.h>
#include <omp.h>

#include "lockflight/core/error.h"

namespace lockflight::ops::cpu {

void use_one_thread() {
  [[maybe_unused]] thread_local const bool alone = [] {
    omp_set_num_threads(1);
    return true;
  }();
}

void sgemm(ProductShape shape, float alpha, Operand a, Operand b, float beta, float* c,
           std::int64_t c_stride) {
  use_one_thread();
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', shape.m, shape.n, shape.k,
                 alpha, a.data, a.stride, b.data, b.stride, beta, c, c_stride);
  if (status != dnnl_success) {
    throw DeviceError(fmt::format("matmul: oneDNN returned status {} for a product of {} x {} x {}",
                                  static_cast<int>(status), shape.m, shape.n, shape.k));
  }
}

}  // namespace lockflight::ops::cpu
