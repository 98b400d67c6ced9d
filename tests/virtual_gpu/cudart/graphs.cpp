// Stream capture and graphs.

#include <memory>

#include "virtual_gpu/cudart/call.h"

using virtual_gpu::call;
using virtual_gpu::Captures;
using virtual_gpu::Graph;
using virtual_gpu::GraphExec;
using virtual_gpu::Machine;
using virtual_gpu::Stream;

LOCKFLIGHT_API cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call(__func__, [&](Machine& m) {
    Stream* const found = m.find(stream);
    return found == nullptr ? cudaErrorInvalidResourceHandle : Captures::begin(m, *found, mode);
  });
}

LOCKFLIGHT_API cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return call(__func__, [&](Machine& m) {
    Stream* const found = m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    std::unique_ptr<Graph> made;
    const cudaError_t status = Captures::end(m, *found, &made);
    *graph = reinterpret_cast<cudaGraph_t>(m.keep(std::move(made)));
    return status;
  });
}

LOCKFLIGHT_API cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                                 cudaStreamCaptureStatus* status) {
  return call(__func__, [&](Machine& m) {
    const Stream* const found = m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    *status = !found->captured                   ? cudaStreamCaptureStatusNone
              : found->captured.capture->invalid ? cudaStreamCaptureStatusInvalidated
                                                 : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                                unsigned long long flags) {
  return call(__func__, [&](Machine& m) {
    const Graph* const found = m.find(graph);
    if (found == nullptr || flags != 0) {
      return cudaErrorInvalidValue;
    }
    *exec = reinterpret_cast<cudaGraphExec_t>(m.keep(std::make_unique<GraphExec>(m, *found)));
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    GraphExec* const found = m.find(exec);
    Stream* const on = m.find(stream);
    if (found == nullptr || on == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    if (on->captured) {
      m.report("unsupported", "a graph is launched while its stream is captured");
      return Captures::refuse(on->captured);
    }
    found->launch(m, *on);
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call(__func__, [&](Machine& m) {
    GraphExec* const found = m.find(exec);
    if (found == nullptr) {
      return cudaErrorInvalidValue;
    }
    m.destroy(found);
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(__func__, [&](Machine& m) {
    Graph* const found = m.find(graph);
    if (found == nullptr) {
      return cudaErrorInvalidValue;
    }
    m.destroy(found);
    return cudaSuccess;
  });
}
