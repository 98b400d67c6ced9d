#include "device/cuda/cublaslt.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {
namespace cuda {
namespace {

constexpr const char* kFile = "libcublasLt.so." LOCKFLIGHT_CUBLAS_MAJOR;

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw DeviceError(
        fmt::format("cuda: {} has no {}; install the cuBLAS of the CUDA toolkit that "
                    "lockflight was built with",
                    kFile, name));
  }
}

CublasLt open() {
  void* library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw DeviceError(
        fmt::format("cuda: {} cannot be opened: {}; install cuBLAS or put its folder into "
                    "LD_LIBRARY_PATH",
                    kFile, ::dlerror()));
  }
  CublasLt lt{};
  find(library, "cublasLtCreate", lt.create);
  find(library, "cublasLtDestroy", lt.destroy);
  find(library, "cublasLtGetStatusString", lt.get_status_string);
  find(library, "cublasLtGetVersion", lt.get_version);
  find(library, "cublasLtMatmul", lt.matmul);
  find(library, "cublasLtMatmulDescCreate", lt.matmul_desc_create);
  find(library, "cublasLtMatmulDescDestroy", lt.matmul_desc_destroy);
  find(library, "cublasLtMatmulDescSetAttribute", lt.matmul_desc_set_attribute);
  find(library, "cublasLtMatrixLayoutCreate", lt.matrix_layout_create);
  find(library, "cublasLtMatrixLayoutDestroy", lt.matrix_layout_destroy);
  find(library, "cublasLtMatrixLayoutSetAttribute", lt.matrix_layout_set_attribute);
  find(library, "cublasLtMatmulPreferenceCreate", lt.matmul_preference_create);
  find(library, "cublasLtMatmulPreferenceDestroy", lt.matmul_preference_destroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", lt.matmul_preference_set_attribute);
  find(library, "cublasLtMatmulAlgoGetHeuristic", lt.matmul_algo_get_heuristic);
  return lt;
}

}  // namespace

const CublasLt& cublaslt() {
  static const CublasLt lt = open();
  return lt;
}

}  // namespace cuda

int cublaslt_version() { return static_cast<int>(cuda::cublaslt().get_version()); }

}  // namespace lockflight
