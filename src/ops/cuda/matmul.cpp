#include "ops/cuda/matmul.h"

#include <algorithm>

#include "device/cuda/blas.h"
#include "lockflight/device/memory_use.h"
#include "ops/cuda/elementwise.h"

namespace lockflight::ops::cuda {
namespace {

// What cuBLASLt's fastest kernels ask of addresses.
constexpr std::uintptr_t kAlignment = 16;

bool aligned(const TensorView& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.data()) % kAlignment == 0;
}

}  // namespace

void matmul(Queue& queue, const TensorView& c, const TensorView& a, const TensorView& b,
            const MatmulOptions& options) {
  if (c.elements() == 0) {
    return;
  }
  std::byte* workspace = queue.workspace().data;
  std::size_t workspace_bytes = queue.workspace().bytes;
  TensorView bias = options.bias;
  if (bias && (bias.dtype() != c.dtype() || !aligned(bias))) {  // cuBLASLt takes no such bias
    const TensorSpec spec{bias.shape(), c.dtype()};
    const std::size_t bytes = aligned_bytes(spec.bytes());
    bias = TensorView(cuda::workspace(queue, bytes), spec);
    copy(queue, bias, options.bias);
    workspace += bytes;
    workspace_bytes -= bytes;
  }
  const bool all_aligned = aligned(c) && aligned(a) && aligned(b);
  const lockflight::cuda::Product product{
      .m = c.shape().rows(),
      .n = c.shape().columns(),
      .k = options.transpose_a ? a.shape().rows() : a.shape().columns(),
      .transpose_a = options.transpose_a,
      .transpose_b = options.transpose_b,
      .accumulate = options.accumulate,
      .biased = static_cast<bool>(bias),
      .input = a.dtype(),
      .output = c.dtype(),
      .alignment = static_cast<std::uint32_t>(
          all_aligned ? kAlignment : std::min(size_of(a.dtype()), size_of(c.dtype()))),
      .workspace_bytes = workspace_bytes};
  queue.blas().multiply(queue.stream(), product,
                        {.c = c.data(), .a = a.data(), .b = b.data(), .bias = bias.data()},
                        workspace);
}

}  // namespace lockflight::ops::cuda
