// What the front doors of operations share: they check their arguments, then enqueue a kernel.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "device/cuda/built.h"
#include "device/cuda/queue.h"
#include "lockflight/device/launch.h"
#include "lockflight/device/tensor.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops {

/// Checks the tensors of one operation.  Every function throws InvalidArgument if what it says does
/// not hold.
class Check {
 public:
  explicit Check(std::string_view operation) : operation_(operation) {}

  /// `tensor` is there and its elements are of `dtype`.
  void type(std::string_view name, const TensorView& tensor, DType dtype = DType::f32) const;
  /// `tensor` is there and an activation: f32 or bf16.
  void activation(std::string_view name, const TensorView& tensor) const;
  /// And its shape is `expected`, because of `reason`: "to match x".
  void shape(std::string_view name, const TensorView& tensor, const Shape& expected,
             std::string_view reason, DType dtype = DType::f32) const;
  /// And it has `expected` elements, in whatever shape.
  void elements(std::string_view name, const TensorView& tensor, std::int64_t expected,
                std::string_view reason, DType dtype = DType::f32) const;
  /// And it has `expected` dimensions, which are called `symbols`: "[B, T, C]".
  void rank(std::string_view name, const TensorView& tensor, std::size_t expected,
            std::string_view symbols, DType dtype = DType::f32) const;
  /// Throws "operation: message".
  [[noreturn]] void refuse(std::string_view message) const;

 private:
  void there(std::string_view name, const TensorView& tensor) const;

  std::string_view operation_;
};

/// Enqueues an operation on whichever kind of device the stream belongs to: `cpu_kernel(team)` runs
/// later, `cuda_kernel(queue)` is called at once and launches.  It is generic, so that a build
/// without CUDA asks for no CUDA kernel.
template <typename CpuKernel, typename CudaKernel>
void launch(Stream& stream, const OpCost& cost, CpuKernel cpu_kernel, CudaKernel cuda_kernel) {
  if constexpr (lockflight::cuda::kBuilt) {
    if (stream.device().kind() == DeviceKind::cuda) {
      if (lockflight::cuda::Queue* queue = lockflight::cuda::open_queue(stream)) {
        cuda_kernel(*queue);
      }
      return;
    }
  }
  lockflight::cpu::launch(stream, cost, std::move(cpu_kernel));
}

/// A tensor as the matrix of its rows.
inline cpu::MatrixShape matrix(const TensorView& tensor) {
  return {.rows = tensor.shape().rows(), .columns = tensor.shape().columns()};
}

/// The cost of an operation that reads or writes each of the `touched` tensors once, but for empty
/// ones, and does `flops_per_element` for each element of the first of them; in bf16 if one of them
/// is.
OpCost cost_per_element(std::string_view name, double flops_per_element,
                        std::initializer_list<TensorView> touched);

}  // namespace lockflight::ops
