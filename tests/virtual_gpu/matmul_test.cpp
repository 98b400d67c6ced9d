// Products of cuBLASLt: their values, and what is reported about them.

#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kWorkspace = std::size_t{1} << 20;

/// A function of the library, which is opened at first use as the product does it.
template <typename Function>
Function* blas(Function* /*type*/, const char* name) {
  static void* const library = [] {
    const int major = CUDART_VERSION / 1000;
    return dlopen(("libcublasLt.so." + std::to_string(major)).c_str(), RTLD_NOW);
  }();
  return reinterpret_cast<Function*>(dlsym(library, name));
}
#define BLAS(name) blas(static_cast<decltype(&(name))>(nullptr), #name)

using virtual_gpu_test::check;
void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw std::runtime_error("cuBLASLt: status " + std::to_string(status));
  }
}

/// d = op(a) op(b) + beta d + bias, by columns.  What a test leaves alone is right.
struct Product {
  std::uint64_t m = 5, n = 7, k = 3;
  bool transpose_a = false, transpose_b = false, biased = false;
  cudaDataType type = CUDA_R_32F;
  float beta = 0;
  std::int64_t padding = 0;  ///< of all leading dimensions
  std::int64_t wrong_leading = 0;
  std::size_t workspace = kWorkspace;

  std::uint64_t rows_a() const { return transpose_a ? k : m; }
  std::uint64_t columns_a() const { return transpose_a ? m : k; }
  std::uint64_t rows_b() const { return transpose_b ? n : k; }
  std::uint64_t columns_b() const { return transpose_b ? k : n; }
  std::size_t size(std::uint64_t rows, std::uint64_t columns) const {
    return (rows + padding) * columns;
  }
};

class Matmul {
 public:
  explicit Matmul(const Product& product) : product_(product) {
    check(BLAS(cublasLtCreate)(&handle_));
    check(BLAS(cublasLtMatmulDescCreate)(&desc_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, product.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, product.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (product.biased) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    }
    a_ = layout(product.rows_a(), product.columns_a(), product.wrong_leading);
    b_ = layout(product.rows_b(), product.columns_b(), 0);
    d_ = layout(product.m, product.n, 0);
    check(BLAS(cublasLtMatmulPreferenceCreate)(&preference_));
    const std::uint64_t bytes = kWorkspace;
    check(BLAS(cublasLtMatmulPreferenceSetAttribute)(
        preference_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof(bytes)));
  }
  ~Matmul() {
    BLAS(cublasLtMatmulPreferenceDestroy)(preference_);
    for (cublasLtMatrixLayout_t layout : {a_, b_, d_}) {
      BLAS(cublasLtMatrixLayoutDestroy)(layout);
    }
    BLAS(cublasLtMatmulDescDestroy)(desc_);
    BLAS(cublasLtDestroy)(handle_);
  }
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  cublasStatus_t choose() {
    int count = 0;
    cublasLtMatmulHeuristicResult_t found{};
    const cublasStatus_t status = BLAS(cublasLtMatmulAlgoGetHeuristic)(
        handle_, desc_, a_, b_, d_, d_, preference_, 1, &found, &count);
    algorithm_ = found.algo;
    return status;
  }
  cublasStatus_t enqueue(cudaStream_t stream, const void* a, const void* b, void* d,
                         const void* bias, void* workspace) {
    if (bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    const float alpha = 1;
    return BLAS(cublasLtMatmul)(handle_, desc_, &alpha, a, a_, b, b_, &product_.beta, d, d_, d, d_,
                                &algorithm_, workspace, product_.workspace, stream);
  }
  void take_algorithm_of(const Matmul& other) { algorithm_ = other.algorithm_; }

 private:
  template <typename Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(BLAS(cublasLtMatmulDescSetAttribute)(desc_, attribute, &value, sizeof(value)));
  }
  cublasLtMatrixLayout_t layout(std::uint64_t rows, std::uint64_t columns,
                                std::int64_t wrong) const {
    cublasLtMatrixLayout_t made = nullptr;
    const auto leading = static_cast<std::int64_t>(rows) + product_.padding + wrong;
    check(BLAS(cublasLtMatrixLayoutCreate)(&made, product_.type, rows, columns, leading));
    return made;
  }

  Product product_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, d_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
};

std::vector<float> random_values(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> all(size);
  for (float& value : all) {
    value = values(random);
  }
  return all;
}

/// Runs a product on random values, and compares it with a double loop.
void compare(const Product& p) {
  const std::vector<float> a = random_values(p.size(p.rows_a(), p.columns_a()), 1);
  const std::vector<float> b = random_values(p.size(p.rows_b(), p.columns_b()), 2);
  const std::vector<float> before = random_values(p.size(p.m, p.n), 3);
  const std::vector<float> bias = random_values(p.m, 4);
  const Stream stream;
  const DeviceArray<float> on_a(a);
  const DeviceArray<float> on_b(b);
  const DeviceArray<float> on_d(before);
  const DeviceArray<float> on_bias(bias);
  const DeviceArray<std::byte> workspace(static_cast<int>(kWorkspace));
  Matmul matmul(p);
  check(matmul.choose());
  check(matmul.enqueue(stream.get(), on_a.data(), on_b.data(), on_d.data(),
                       p.biased ? on_bias.data() : nullptr, workspace.data()));
  check(poll(stream.get()));
  const std::vector<float> after = on_d.read();
  for (std::uint64_t j = 0; j < p.n; ++j) {
    for (std::uint64_t i = 0; i < p.m; ++i) {
      const std::size_t at = j * (p.m + p.padding) + i;
      double expected = p.beta * double{before[at]} + (p.biased ? bias[i] : 0);
      for (std::uint64_t l = 0; l < p.k; ++l) {
        const double x =
            p.transpose_a ? a[i * (p.k + p.padding) + l] : a[l * (p.m + p.padding) + i];
        const double y =
            p.transpose_b ? b[l * (p.n + p.padding) + j] : b[j * (p.k + p.padding) + l];
        expected += x * y;
      }
      EXPECT_NEAR(after[at], expected, 1e-5);
    }
  }
}

using MatmulTest = OnVirtualGpu;

TEST_F(MatmulTest, MultipliesAsADoubleLoopDoes) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const std::uint64_t k : {1, 3, 40}) {
        compare({.k = k, .transpose_a = transpose_a, .transpose_b = transpose_b});
        compare({.m = 17,
                 .k = k,
                 .transpose_a = transpose_a,
                 .transpose_b = transpose_b,
                 .biased = true,
                 .beta = 1,
                 .padding = 3});
      }
    }
  }
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MatmulTest, RoundsBf16ToTheNearest) {
  // (1 + 2^-7) (1 + 2^-7) = 1 + 2^-6 + 2^-14, between 1 + 2 / 128 and 1 + 3 / 128.
  const Product product{.m = 1, .n = 1, .k = 1, .type = CUDA_R_16BF};
  const Stream stream;
  const DeviceArray<std::uint16_t> a(std::vector<std::uint16_t>{0x3f81});
  const DeviceArray<std::uint16_t> d(1);
  const DeviceArray<std::byte> workspace(static_cast<int>(kWorkspace));
  Matmul matmul(product);
  check(matmul.choose());
  check(matmul.enqueue(stream.get(), a.data(), a.data(), d.data(), nullptr, workspace.data()));
  check(poll(stream.get()));
  EXPECT_THAT(d.read(), ElementsAre(0x3f82));
}

TEST_F(MatmulTest, ALeadingDimensionThatCannotBeIsReported) {
  Matmul planted({.wrong_leading = -1});
  EXPECT_EQ(planted.choose(), CUBLAS_STATUS_INVALID_VALUE);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "wrong matmul");
  EXPECT_THAT(reports[0].text, HasSubstr("a leading dimension of 4 for 5 rows"));
  Matmul right({});
  EXPECT_EQ(right.choose(), CUBLAS_STATUS_SUCCESS);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

/// A stream, operands and a workspace for a product.
struct Operands {
  explicit Operands(const Product& p)
      : a(std::vector<float>(p.size(p.rows_a(), p.columns_a()), 1)),
        b(std::vector<float>(p.size(p.rows_b(), p.columns_b()), 1)),
        d(static_cast<int>(p.size(p.m, p.n))) {}
  Stream stream;
  DeviceArray<float> a, b, d;
  DeviceArray<std::byte> workspace{static_cast<int>(kWorkspace)};

  cublasStatus_t enqueue(Matmul& matmul) const { return enqueue(matmul, stream.get()); }
  cublasStatus_t enqueue(Matmul& matmul, cudaStream_t on) const {
    return matmul.enqueue(on, a.data(), b.data(), d.data(), nullptr, workspace.data());
  }
};

TEST_F(MatmulTest, ALeadingDimensionThatLeavesTheMatrixIsReported) {
  const Product product{};
  const Operands operands(product);
  Matmul planted({.wrong_leading = 1});
  check(planted.choose());
  EXPECT_EQ(operands.enqueue(planted), CUBLAS_STATUS_SUCCESS);
  check(poll(operands.stream.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds"));
  Matmul right(product);
  check(right.choose());
  EXPECT_EQ(operands.enqueue(right), CUBLAS_STATUS_SUCCESS);
  check(poll(operands.stream.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MatmulTest, AnAlgorithmOfAnotherProductIsReported) {
  const Product product{};
  const Operands operands(product);
  Matmul matmul(product);
  Matmul other({.m = 5, .n = 7, .k = 4});
  EXPECT_EQ(operands.enqueue(matmul), CUBLAS_STATUS_INVALID_VALUE);  // none was chosen
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong matmul"));
  check(other.choose());
  matmul.take_algorithm_of(other);
  EXPECT_EQ(operands.enqueue(matmul), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong matmul"));
}

TEST_F(MatmulTest, AWorkspaceThatIsTooSmallIsReported) {
  const Product product{.workspace = 16};
  const Operands operands(product);
  Matmul matmul(product);
  check(matmul.choose());
  EXPECT_EQ(operands.enqueue(matmul), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong matmul"));
}

TEST_F(MatmulTest, AWorkspaceThatStreamsShareIsReported) {
  const Product product{};
  const Operands first(product);
  const Operands second(product);
  Matmul matmul(product);
  check(matmul.choose());
  const auto run = [&](bool planted) {
    check(first.enqueue(matmul));
    check(matmul.enqueue(second.stream.get(), second.a.data(), second.b.data(), second.d.data(),
                         nullptr, planted ? first.workspace.data() : second.workspace.data()));
    check(poll(first.stream.get()));
    check(poll(second.stream.get()));
  };
  run(true);
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
  run(false);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MatmulTest, AProductBelongsOnTheDeviceOfItsHandle) {
  const Product product{};
  const Operands operands(product);
  Matmul matmul(product);
  check(matmul.choose());
  check(cudaSetDevice(1));
  const Stream elsewhere;
  EXPECT_EQ(operands.enqueue(matmul, elsewhere.get()), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong matmul"));
  check(cudaSetDevice(0));
  EXPECT_EQ(operands.enqueue(matmul), CUBLAS_STATUS_SUCCESS);
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(poll(operands.stream.get()));
}

TEST_F(MatmulTest, ProductsAreOrderedLikeKernels) {
  const Product product{};
  const Operands operands(product);
  const Stream other;
  const Event filled;
  Matmul matmul(product);
  check(matmul.choose());
  const auto run = [&](bool planted) {
    check(fill(other.get(), operands.a.data(), 2, 15));
    check(cudaEventRecord(filled.get(), other.get()));
    if (!planted) {
      check(cudaStreamWaitEvent(operands.stream.get(), filled.get()));
    }
    check(operands.enqueue(matmul));
    check(poll(other.get()));
    check(poll(operands.stream.get()));
  };
  run(true);
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
  run(false);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MatmulTest, CallsFailOnDemand) {
  Matmul matmul({});
  virtual_gpu::fail_call("cublasLtMatmulAlgoGetHeuristic", 1, virtual_gpu::kSomeError);
  EXPECT_EQ(matmul.choose(), CUBLAS_STATUS_INTERNAL_ERROR);
  EXPECT_EQ(matmul.choose(), CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace virtual_gpu_test
