// Handles, descriptions, layouts and preferences.

#include "virtual_gpu/cublasLt/descriptors.h"

#include <cstring>
#include <new>

#include <fmt/format.h>

#include "virtual_gpu/cublasLt/call.h"

using virtual_gpu::blas::call;
using virtual_gpu::blas::Description;
using virtual_gpu::blas::Handle;
using virtual_gpu::blas::Layout;
using virtual_gpu::blas::Preference;
using virtual_gpu::blas::read;
using virtual_gpu::blas::unsupported;

LOCKFLIGHT_API cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return call(__func__, [&](virtual_gpu::Machine& m) {
    *handle = reinterpret_cast<cublasLtHandle_t>(new Handle{m.hosts.current_device()});
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    delete reinterpret_cast<Handle*>(handle);
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API size_t cublasLtGetVersion() { return CUBLAS_VERSION; }

LOCKFLIGHT_API const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "a status of cuBLAS";
  }
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description,
                                                       cublasComputeType_t compute,
                                                       cudaDataType_t scale) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    *description =
        reinterpret_cast<cublasLtMatmulDesc_t>(new Description{.compute = compute, .scale = scale});
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    delete reinterpret_cast<Description*>(description);
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatmulDescSetAttribute(
    cublasLtMatmulDesc_t opaque, cublasLtMatmulDescAttributes_t attribute, const void* value,
    std::size_t bytes) {
  return call(__func__, [&](virtual_gpu::Machine& m) {
    Description& description = *reinterpret_cast<Description*>(opaque);
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_TRANSA:
        return read(description.a, value, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSB:
        return read(description.b, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return read(description.epilogue, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return read(description.bias, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        description.bias_type_given = true;
        return read(description.bias_type, value, bytes);
      default:
        return unsupported(m, fmt::format("cublasLtMatmulDescSetAttribute of attribute {}",
                                          static_cast<int>(attribute)));
    }
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout,
                                                         cudaDataType type, std::uint64_t rows,
                                                         std::uint64_t columns,
                                                         std::int64_t leading) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    *layout = reinterpret_cast<cublasLtMatrixLayout_t>(
        new Layout{.type = type, .rows = rows, .columns = columns, .leading = leading});
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    delete reinterpret_cast<Layout*>(layout);
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatrixLayoutSetAttribute(
    cublasLtMatrixLayout_t /*layout*/, cublasLtMatrixLayoutAttribute_t attribute,
    const void* /*value*/, std::size_t /*bytes*/) {
  return call(__func__, [&](virtual_gpu::Machine& m) {
    return unsupported(m, fmt::format("cublasLtMatrixLayoutSetAttribute of attribute {}",
                                      static_cast<int>(attribute)));
  });
}

LOCKFLIGHT_API cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return call(__func__, [&](virtual_gpu::Machine&) {
    delete reinterpret_cast<Preference*>(preference);
    return CUBLAS_STATUS_SUCCESS;
  });
}

LOCKFLIGHT_API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t opaque, cublasLtMatmulPreferenceAttributes_t attribute,
    const void* value, std::size_t bytes) {
  return call(__func__, [&](virtual_gpu::Machine& m) {
    Preference& preference = *reinterpret_cast<Preference*>(opaque);
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return read(preference.workspace_bytes, value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return read(preference.alignment[0], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return read(preference.alignment[1], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return read(preference.alignment[2], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return read(preference.alignment[3], value, bytes);
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return CUBLAS_STATUS_SUCCESS;  // there is only one order of sums here
      default:
        return unsupported(m, fmt::format("cublasLtMatmulPreferenceSetAttribute of attribute {}",
                                          static_cast<int>(attribute)));
    }
  });
}
