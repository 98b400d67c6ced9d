#include "device/cuda/cuda_graph.h"

#include <cstring>
#include <utility>

#include "device/cuda/check.h"

namespace lockflight::cuda {

CudaGraph::CudaGraph(CudaDevice& device, std::span<Stream* const> streams,
                     const std::function<void()>& work)
    : device_(device), edge_(device) {
  for (Stream* stream : streams) {
    streams_.push_back(static_cast<CudaStream*>(stream)->stream());
  }
  device_.begin_capture(*this);
  try {
    capture(work);
  } catch (...) {
    device_.end_capture(*this, false);
    throw;
  }
  device_.end_capture(*this, true);
}

CudaGraph::~CudaGraph() {
  device_.leave(*this);
  drop();
  device_.drain(streams_.front());
  if (device_.stuck()) {
    static_cast<void>(staging_.release());  // to give it back could wait for ever
  }
}

// Relaxed, because pinned memory is taken meanwhile, and NCCL launches from threads of its own.
// Neither waits for what is captured.
void CudaGraph::capture(const std::function<void()>& work) {
  const cudaStream_t origin = streams_.front();
  check(cudaStreamBeginCapture(origin, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  cudaGraph_t captured = nullptr;
  try {
    for (std::size_t i = 1; i < streams_.size(); ++i) {
      order_after(origin, streams_[i]);
    }
    work();
    for (std::size_t i = 1; i < streams_.size(); ++i) {
      order_after(streams_[i], origin);
    }
  } catch (...) {
    cudaStreamEndCapture(origin, &captured);  // else the streams would stay captured
    if (captured != nullptr) {
      cudaGraphDestroy(captured);
    }
    static_cast<void>(cudaGetLastError());
    throw;
  }
  check(cudaStreamEndCapture(origin, &captured), "cudaStreamEndCapture");
  const cudaError_t status = cudaGraphInstantiate(&graph_, captured, 0);
  cudaGraphDestroy(captured);
  check(status, "cudaGraphInstantiate");
}

void CudaGraph::order_after(cudaStream_t earlier, cudaStream_t later) {
  check(cudaEventRecord(edge_.event(), earlier), "cudaEventRecord");
  check(cudaStreamWaitEvent(later, edge_.event(), 0), "cudaStreamWaitEvent");
}

std::byte* CudaGraph::upload(const void* from, std::size_t bytes) {
  return uploads_.emplace_back(Upload{staging_->take(bytes), from, bytes}).to;
}

std::byte* CudaGraph::download(void* to, std::size_t bytes) {
  std::byte* pinned = staging_->take(bytes);
  downloads_.push_back({to, pinned, bytes});
  return pinned;
}

void CudaGraph::launch() {
  if (device_.failed()) {
    return;
  }
  device_.make_current();
  for (const Upload& upload : uploads_) {
    std::memcpy(upload.to, upload.from, upload.bytes);
  }
  check(cudaGraphLaunch(graph_, streams_.front()), "cudaGraphLaunch");
  device_.expect(downloads_);
}

void CudaGraph::drop() noexcept {
  if (graph_ != nullptr) {
    cudaSetDevice(device_.number());
    cudaGraphExecDestroy(std::exchange(graph_, nullptr));
  }
}

}  // namespace lockflight::cuda
