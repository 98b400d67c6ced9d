#include "ops/cpu/bf16_gemm.h"

#include <compare>
#include <map>
#include <string>
#include <unordered_map>

#include <dnnl.hpp>
#include <fmt/core.h>

#include "lockflight/core/error.h"
#include "ops/cpu/bfloat16.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {
namespace {

using dnnl::memory;

// What a primitive is made for.
struct Product {
  ProductShape shape;
  std::int64_t a_stride;
  std::int64_t b_stride;
  std::int64_t c_stride;
  bool transpose_a;
  bool transpose_b;
  bool f32_result;
  bool accumulate;
  bool biased;

  friend auto operator<=>(const Product&, const Product&) = default;
};

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::desc matrix(std::int64_t rows, std::int64_t columns, memory::data_type type,
                    std::int64_t stride, bool transposed) {
  return {{rows, columns}, type, transposed ? memory::dims{1, stride} : memory::dims{stride, 1}};
}

dnnl::matmul::primitive_desc describe(const Product& product) {
  const auto [m, n, k] = product.shape;
  const auto bf16 = memory::data_type::bf16;
  const auto result = product.f32_result ? memory::data_type::f32 : bf16;
  const memory::desc a = matrix(m, k, bf16, product.a_stride, product.transpose_a);
  const memory::desc b = matrix(k, n, bf16, product.b_stride, product.transpose_b);
  const memory::desc c = matrix(m, n, result, product.c_stride, false);
  const memory::desc bias = matrix(1, n, memory::data_type::f32, n, false);
  dnnl::primitive_attr attributes;
  // With scratch of its own, a primitive that two threads have would give wrong results.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (product.accumulate) {
    dnnl::post_ops add;
    add.append_sum(1.0F);
    attributes.set_post_ops(add);
  }
  return {product.biased ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c),
          attributes, engine()};
}

// A primitive with its arguments, whose addresses are set anew for each product.
class Prepared {
 public:
  explicit Prepared(const dnnl::matmul::primitive_desc& description)
      : primitive_(description), scratch_bytes_(description.scratchpad_desc().get_size()) {
    const auto add = [this](int argument, const memory::desc& desc) {
      arguments_.emplace(argument, memory(desc, engine(), nullptr));
    };
    add(DNNL_ARG_SRC, description.src_desc());
    add(DNNL_ARG_WEIGHTS, description.weights_desc());
    add(DNNL_ARG_DST, description.dst_desc());
    add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc());
    if (!description.bias_desc().is_zero()) {
      add(DNNL_ARG_BIAS, description.bias_desc());
    }
  }

  void run(const BFloat16* a, const BFloat16* b, const float* bias, void* c) {
    const auto floats = static_cast<std::int64_t>(scratch_bytes_ / sizeof(float) + 1);
    place(DNNL_ARG_SRC, a);
    place(DNNL_ARG_WEIGHTS, b);
    place(DNNL_ARG_DST, c);
    place(DNNL_ARG_SCRATCHPAD, thread_scratch(floats).data());
    if (bias != nullptr) {
      place(DNNL_ARG_BIAS, bias);
    }
    thread_local const dnnl::stream stream(engine());
    primitive_.execute(stream, arguments_);
  }

 private:
  void place(int argument, const void* data) {
    arguments_.at(argument).set_data_handle(const_cast<void*>(data));
  }

  dnnl::matmul primitive_;
  std::size_t scratch_bytes_;
  std::unordered_map<int, memory> arguments_;
};

// Of the calling thread: a primitive's number of threads is that of the thread which makes it.
Prepared& prepared(const Product& product) {
  // A program has a few dozen shapes; one that has ever new ones shall not keep them all.
  constexpr std::size_t kMost = 1024;
  thread_local std::map<Product, Prepared> products;
  const auto found = products.find(product);
  if (found != products.end()) {
    return found->second;
  }
  if (products.size() == kMost) {
    products.clear();
  }
  return products.emplace(product, Prepared(describe(product))).first->second;
}

bool onednn_has_products() {
  static const bool has_them = [] {
    try {
      describe({.shape = {1, 1, 1}, .a_stride = 1, .b_stride = 1, .c_stride = 1});
      return true;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return has_them;
}

// The rows of an operand as they are stored, in f32.
Operand widened(const Bf16Operand& operand, std::int64_t rows, std::int64_t columns,
                std::size_t buffer) {
  if (operand.transposed) {
    std::swap(rows, columns);
  }
  float* wide = thread_scratch(rows * columns, buffer).data();
  for (std::int64_t row = 0; row < rows; ++row) {
    widen(wide + row * columns, operand.data + row * operand.stride, columns);
  }
  return {wide, columns, operand.transposed};
}

void widened_gemm(ProductShape shape, const Bf16Operand& a, const Bf16Operand& b, const float* bias,
                  const ProductResult& c) {
  const auto [m, n, k] = shape;
  float* sums = thread_scratch(m * n).data();
  sgemm(shape, 1.0F, widened(a, m, k, 1), widened(b, k, n, 2), 0.0F, sums, n);
  for (std::int64_t row = 0; row < m; ++row) {
    Tile tile;
    float* c_row = c.accumulate ? tile.update(c.values, c.at + row * c.stride, n)
                                : tile.write(c.values, c.at + row * c.stride, n);
    for (std::int64_t j = 0; j < n; ++j) {
      const float sum = sums[row * n + j] + (bias == nullptr ? 0.0F : bias[j]);
      c_row[j] = c.accumulate ? c_row[j] + sum : sum;
    }
  }
}

}  // namespace

void bf16_gemm(ProductShape shape, Bf16Operand a, Bf16Operand b, const float* bias,
               const ProductResult& c) {
  use_one_thread();
  if (!onednn_has_products()) {
    widened_gemm(shape, a, b, bias, c);
    return;
  }
  const bool f32_result = c.values.is_f32();
  void* to = f32_result ? static_cast<void*>(c.values.f32(c.at)) : c.values.bf16(c.at);
  try {
    prepared({.shape = shape,
              .a_stride = a.stride,
              .b_stride = b.stride,
              .c_stride = c.stride,
              .transpose_a = a.transposed,
              .transpose_b = b.transposed,
              .f32_result = f32_result,
              .accumulate = c.accumulate,
              .biased = bias != nullptr})
        .run(a.data, b.data, bias, to);
  } catch (const dnnl::error& error) {
    throw DeviceError(fmt::format("matmul: oneDNN failed at a product of bf16, {} x {} x {}: {}",
                                  shape.m, shape.n, shape.k, error.what()));
  }
}

bool multiplies_bf16() {
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);  // a set of bits
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & needed) == needed;
}

}  // namespace lockflight::ops::cpu
