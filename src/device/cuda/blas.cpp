#include "device/cuda/blas.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::cuda {
namespace {

void check(cublasStatus_t status, std::string_view tried) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw DeviceError(
        fmt::format("cuda: {} failed: {}", tried, cublaslt().get_status_string(status)));
  }
}

// "a product of f32 [3, 5] and [5, 4]"
std::string describe(const Product& product) {
  return fmt::format("a product of {} [{}, {}] and [{}, {}]", name_of(product.input), product.m,
                     product.k, product.k, product.n);
}

cudaDataType_t type_of(DType dtype) { return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

// Descriptors are pointers to opaque structures; `destroy` names the member of CublasLt that frees
// one.
template <auto destroy>
struct Destroy {
  template <typename Opaque>
  void operator()(Opaque* descriptor) const {
    (cublaslt().*destroy)(descriptor);
  }
};
using MatmulDesc =
    std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<&CublasLt::matmul_desc_destroy>>;
using MatrixLayout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<&CublasLt::matrix_layout_destroy>>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                                   Destroy<&CublasLt::matmul_preference_destroy>>;

template <typename Value>
void set(const MatmulDesc& desc, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check(cublaslt().matmul_desc_set_attribute(desc.get(), attribute, &value, sizeof(value)),
        "cublasLtMatmulDescSetAttribute");
}

template <typename Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const Value& value) {
  check(cublaslt().matmul_preference_set_attribute(preference.get(), attribute, &value,
                                                   sizeof(value)),
        "cublasLtMatmulPreferenceSetAttribute");
}

// A dense row-major matrix is, read by columns, its transpose.
MatrixLayout layout(DType dtype, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublaslt().matrix_layout_create(&made, type_of(dtype), static_cast<std::uint64_t>(columns),
                                        static_cast<std::uint64_t>(rows), columns),
        "cublasLtMatrixLayoutCreate");
  return MatrixLayout(made);
}

cublasOperation_t operation(bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; }

MatmulDesc describe_product(const Product& product) {
  cublasLtMatmulDesc_t made = nullptr;
  check(cublaslt().matmul_desc_create(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescCreate");
  MatmulDesc desc(made);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA, operation(product.transpose_b));
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB, operation(product.transpose_a));
  if (product.biased) {
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
        static_cast<std::int32_t>(type_of(product.output)));
    // The choice of an algorithm looks at its alignment, not at what is there.
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, std::uintptr_t{product.alignment});
  }
  return desc;
}

// Sums that are split are put together in f32 and in a fixed order, or not split.
Preference describe_preference(const Product& product) {
  cublasLtMatmulPreference_t made = nullptr;
  check(cublaslt().matmul_preference_create(&made), "cublasLtMatmulPreferenceCreate");
  Preference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{product.workspace_bytes});
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(preference, attribute, product.alignment);
  }
  return preference;
}

}  // namespace

// cuBLASLt reads by columns.  So it is asked for c^T = op(b)^T op(a)^T with b as its first operand;
// whether an operand is to be transposed stays as it is.
struct Blas::Prepared {
  MatmulDesc desc;
  MatrixLayout a;
  MatrixLayout b;
  MatrixLayout c;
  cublasLtMatmulAlgo_t algorithm;
};

Blas::Blas() = default;

Blas::~Blas() {
  prepared_.clear();
  if (handle_ != nullptr) {
    cublaslt().destroy(handle_);
  }
}

cublasLtHandle_t Blas::handle() {
  if (handle_ == nullptr) {
    check(cublaslt().create(&handle_), "cublasLtCreate");
  }
  return handle_;
}

Blas::Prepared Blas::prepare(const Product& product) {
  const auto [m, n, k, transpose_a, transpose_b, accumulate, biased, input, output, alignment,
              workspace_bytes] = product;
  Prepared made{.desc = describe_product(product),
                .a = layout(input, transpose_a ? k : m, transpose_a ? m : k),
                .b = layout(input, transpose_b ? n : k, transpose_b ? k : n),
                .c = layout(output, m, n),
                .algorithm = {}};
  const Preference preference = describe_preference(product);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  check(cublaslt().matmul_algo_get_heuristic(handle(), made.desc.get(), made.b.get(), made.a.get(),
                                             made.c.get(), made.c.get(), preference.get(), 1,
                                             &found, &count),
        "cublasLtMatmulAlgoGetHeuristic for " + describe(product));
  if (count == 0) {
    throw DeviceError("cuda: cuBLASLt has no algorithm for " + describe(product));
  }
  made.algorithm = found.algo;
  return made;
}

void Blas::multiply(CUstream_st* stream, const Product& product, const ProductOperands& operands,
                    std::byte* workspace) {
  auto at = prepared_.find(product);
  if (at == prepared_.end()) {
    at = prepared_.emplace(product, prepare(product)).first;
  }
  const Prepared& prepared = at->second;
  if (product.biased) {
    set(prepared.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.bias);
  }
  const float alpha = 1.0F;
  const float beta = product.accumulate ? 1.0F : 0.0F;
  check(cublaslt().matmul(handle(), prepared.desc.get(), &alpha, operands.b, prepared.b.get(),
                          operands.a, prepared.a.get(), &beta, operands.c, prepared.c.get(),
                          operands.c, prepared.c.get(), &prepared.algorithm, workspace,
                          product.workspace_bytes, stream),
        "cublasLtMatmul for " + describe(product));
}

}  // namespace lockflight::cuda
