// Devices, versions and errors.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "virtual_gpu/cudart/call.h"

using virtual_gpu::call;
using virtual_gpu::Machine;
using virtual_gpu::Memory;

namespace {

// An H100's, as far as programs look at it.
constexpr int kMajor = 9;
constexpr int kMinor = 0;
constexpr int kMultiprocessors = 132;
constexpr int kThreads = 1024;
constexpr int kSharedBytes = 49152;
constexpr int kLowestPriority = 0;
constexpr int kHighestPriority = -5;

bool exists(const Machine& machine, int device) {
  return device >= 0 && device < machine.device_count();
}

struct ErrorText {
  cudaError_t code;
  const char* name;
  const char* text;
};

#define LOCKFLIGHT_ERROR(code, text) \
  { code, #code, text }
constexpr ErrorText kErrors[] = {
    LOCKFLIGHT_ERROR(cudaSuccess, "no error"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidValue, "invalid argument"),
    LOCKFLIGHT_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    LOCKFLIGHT_ERROR(cudaErrorInitializationError, "initialization error"),
    LOCKFLIGHT_ERROR(cudaErrorCudartUnloading, "driver shutting down"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    LOCKFLIGHT_ERROR(cudaErrorInsufficientDriver,
                     "CUDA driver version is insufficient for CUDA runtime version"),
    LOCKFLIGHT_ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    LOCKFLIGHT_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    LOCKFLIGHT_ERROR(cudaErrorDeviceUninitialized, "invalid device context"),
    LOCKFLIGHT_ERROR(cudaErrorNoKernelImageForDevice,
                     "no kernel image is available for execution on the device"),
    LOCKFLIGHT_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    LOCKFLIGHT_ERROR(cudaErrorIllegalState,
                     "the operation cannot be performed in the present state"),
    LOCKFLIGHT_ERROR(cudaErrorSymbolNotFound, "named symbol not found"),
    LOCKFLIGHT_ERROR(cudaErrorNotReady, "device not ready"),
    LOCKFLIGHT_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    LOCKFLIGHT_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    LOCKFLIGHT_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    LOCKFLIGHT_ERROR(cudaErrorPeerAccessAlreadyEnabled, "peer access is already enabled"),
    LOCKFLIGHT_ERROR(cudaErrorPeerAccessNotEnabled, "peer access has not been enabled"),
    LOCKFLIGHT_ERROR(cudaErrorAssert, "device-side assert triggered"),
    LOCKFLIGHT_ERROR(cudaErrorHardwareStackError, "hardware stack error"),
    LOCKFLIGHT_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    LOCKFLIGHT_ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    LOCKFLIGHT_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    LOCKFLIGHT_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    LOCKFLIGHT_ERROR(cudaErrorNotSupported, "operation not supported"),
    LOCKFLIGHT_ERROR(cudaErrorSystemNotReady, "system not yet initialized"),
    LOCKFLIGHT_ERROR(cudaErrorSystemDriverMismatch,
                     "system has unsupported display driver / cuda driver combination"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureUnsupported,
                     "operation not permitted when stream is capturing"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureInvalidated,
                     "operation failed due to a previous error during capture"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureMerge,
                     "operation would result in a merge of separate capture sequences"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureUnmatched,
                     "capture was not ended in the same stream as it began"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureIsolation,
                     "dependency created on uncaptured work in another stream"),
    LOCKFLIGHT_ERROR(cudaErrorCapturedEvent,
                     "operation not permitted on an event last recorded in a capturing stream"),
    LOCKFLIGHT_ERROR(cudaErrorStreamCaptureWrongThread,
                     "attempt to terminate a thread-local capture sequence from another thread"),
    LOCKFLIGHT_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef LOCKFLIGHT_ERROR

const ErrorText* find_error(cudaError_t code) {
  const auto* found = std::ranges::find(kErrors, code, &ErrorText::code);
  return found == std::end(kErrors) ? nullptr : found;
}

}  // namespace

LOCKFLIGHT_API cudaError_t cudaGetDeviceCount(int* count) {
  return call(__func__, [&](Machine& m) {
    *count = m.device_count();
    return virtual_gpu::error_if(*count == 0, cudaErrorNoDevice);
  });
}

LOCKFLIGHT_API cudaError_t cudaSetDevice(int device) {
  return call(__func__, [&](Machine& m) {
    if (!exists(m, device)) {
      return cudaErrorInvalidDevice;
    }
    m.hosts.current().device = device;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGetDevice(int* device) {
  return call(__func__, [&](Machine& m) {
    *device = m.hosts.current_device();
    return virtual_gpu::error_if(m.device_count() == 0, cudaErrorNoDevice);
  });
}

LOCKFLIGHT_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call(__func__, [&](Machine& m) {
    if (!exists(m, device)) {
      return cudaErrorInvalidDevice;
    }
    *properties = {};
    std::snprintf(properties->name, sizeof(properties->name), "virtual GPU %d", device);
    properties->uuid.bytes[0] = static_cast<char>(device + 1);
    properties->major = kMajor;
    properties->minor = kMinor;
    properties->totalGlobalMem = m.memory.limit();
    properties->multiProcessorCount = kMultiprocessors;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = kThreads;
    properties->maxThreadsPerMultiProcessor = 2 * kThreads;
    properties->sharedMemPerBlock = kSharedBytes;
    properties->sharedMemPerBlockOptin = kSharedBytes;
    properties->regsPerBlock = 65536;
    properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = kThreads;
    properties->maxThreadsDim[2] = 64;
    properties->maxGridSize[0] = 0x7fffffff;
    properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
    properties->unifiedAddressing = 1;
    properties->canMapHostMemory = 1;
    properties->asyncEngineCount = 3;
    properties->concurrentKernels = 1;
    properties->streamPrioritiesSupported = 1;
    properties->textureAlignment = 512;
    properties->pciBusID = device + 1;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute,
                                                  int device) {
  return call(__func__, [&](Machine& m) {
    if (!exists(m, device)) {
      return cudaErrorInvalidDevice;
    }
    switch (attribute) {
      case cudaDevAttrComputeCapabilityMajor:
        *value = kMajor;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = kMinor;
        return cudaSuccess;
      case cudaDevAttrMultiProcessorCount:
        *value = kMultiprocessors;
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerBlock:
        *value = kThreads;
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlock:
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = kSharedBytes;
        return cudaSuccess;
      case cudaDevAttrWarpSize:
        *value = 32;
        return cudaSuccess;
      case cudaDevAttrUnifiedAddressing:
      case cudaDevAttrStreamPrioritiesSupported:
      case cudaDevAttrConcurrentKernels:
      case cudaDevAttrCanMapHostMemory:
        *value = 1;
        return cudaSuccess;
      default:
        m.report("unsupported", fmt::format("cudaDeviceGetAttribute of attribute {}",
                                            static_cast<int>(attribute)));
        return cudaErrorNotSupported;
    }
  });
}

LOCKFLIGHT_API cudaError_t cudaDriverGetVersion(int* version) {
  return call(__func__, [&](Machine&) {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaRuntimeGetVersion(int* version) {
  return call(__func__, [&](Machine&) {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceGetPCIBusId(char* id, int bytes, int device) {
  return call(__func__, [&](Machine& m) {
    if (!exists(m, device)) {
      return cudaErrorInvalidDevice;
    }
    const int written =
        std::snprintf(id, static_cast<std::size_t>(bytes), "0000:%02x:00.0", device + 1);
    return virtual_gpu::error_if(written >= bytes, cudaErrorInvalidValue);
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return call(__func__, [&](Machine& m) {
    if (!exists(m, device) || !exists(m, peer)) {
      return cudaErrorInvalidDevice;
    }
    *can = device == peer ? 0 : 1;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  return call(__func__, [&](Machine& m) {
    const int device = m.hosts.current_device();
    if (!exists(m, peer) || peer == device) {
      return cudaErrorInvalidDevice;
    }
    if (flags != 0) {
      return cudaErrorInvalidValue;
    }
    const bool added = m.devices[device].peers.insert(peer).second;
    return virtual_gpu::error_if(!added, cudaErrorPeerAccessAlreadyEnabled);
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return call(__func__, [&](Machine&) {
    *least = kLowestPriority;
    *greatest = kHighestPriority;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceReset() {
  return call(__func__, [&](Machine& m) {
    m.reset(m.hosts.current_device());
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGetLastError() {
  const virtual_gpu::Lock lock;
  return std::exchange(virtual_gpu::machine().hosts.current().error, cudaSuccess);
}

LOCKFLIGHT_API cudaError_t cudaPeekAtLastError() {
  const virtual_gpu::Lock lock;
  return virtual_gpu::machine().hosts.current().error;
}

LOCKFLIGHT_API const char* cudaGetErrorName(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->name;
}

LOCKFLIGHT_API const char* cudaGetErrorString(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->text;
}

LOCKFLIGHT_API cudaError_t
cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                 cudaDriverEntryPointQueryResult* result) {
  return call(__func__, [&](Machine& m) {
    *function = virtual_gpu::driver_function(symbol);
    if (*function == nullptr) {
      m.report("unsupported", fmt::format("the driver's function {} is not emulated", symbol));
    }
    if (result != nullptr) {
      *result =
          *function == nullptr ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
    }
    return cudaSuccess;
  });
}
