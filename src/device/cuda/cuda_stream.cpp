#include <fmt/format.h>

#include "device/cuda/check.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/enqueue.h"

namespace lockflight::cuda {

CudaEvent::CudaEvent(const CudaDevice& device) : device_(device) {
  device_.make_current();
  check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
}

CudaEvent::~CudaEvent() {
  cudaSetDevice(device_.number());
  cudaEventDestroy(event_);
}

// Compute goes first: a transfer that is late by one kernel costs less than a kernel that is late.
CudaStream::CudaStream(CudaDevice& device, StreamRole role, Complaint* complaint,
                       std::size_t workspace_bytes, Blas& blas)
    : device_(device) {
  device_.make_current();
  int least = 0;
  int greatest = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  const bool computes = role == StreamRole::compute;
  Workspace workspace;
  if (computes) {
    workspace_ = device_.empty({{static_cast<std::int64_t>(workspace_bytes / sizeof(float))}});
    workspace = {workspace_.view().data(), workspace_bytes};
  }
  check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, computes ? greatest : least),
        "cudaStreamCreateWithPriority");
  queue_.emplace(stream_, device_.number(), complaint, workspace, blas);
}

CudaStream::~CudaStream() {
  device_.leave(*this);
  cudaSetDevice(device_.number());
  device_.drain(stream_);
  cudaStreamDestroy(stream_);
}

void CudaStream::record(Event& event) {
  if (open_queue(*this) != nullptr) {
    auto& cuda_event = static_cast<CudaEvent&>(event);
    check(cudaEventRecord(cuda_event.event(), stream_), "cudaEventRecord");
    cuda_event.stream = stream_;
    cuda_event.downloads = device_.downloads();
  }
}

void CudaStream::wait(Event& event) {
  if (open_queue(*this) != nullptr) {
    check(cudaStreamWaitEvent(stream_, static_cast<CudaEvent&>(event).event(), 0),
          "cudaStreamWaitEvent");
  }
}

void CudaStream::time(std::int64_t* nanoseconds) {
  if (open_queue(*this) != nullptr) {
    device_.stamp(stream_, nanoseconds);
  }
}

void CudaStream::upload(const TensorView& to, const void* from) {
  if (open_queue(*this) != nullptr && to.bytes() != 0) {
    device_.upload(stream_, to, from);
  }
}

void CudaStream::download(void* to, const TensorView& from) {
  if (open_queue(*this) != nullptr && from.bytes() != 0) {
    device_.download(stream_, to, from);
  }
}

void enqueue(Stream& stream, const std::function<void(CUstream_st*)>& work) {
  if (const Queue* queue = open_queue(stream)) {
    work(queue->stream());
  }
}

Queue* open_queue(Stream& stream) {
  auto& cuda_stream = static_cast<CudaStream&>(stream);
  if (cuda_stream.device().failed()) {
    return nullptr;
  }
  cuda_stream.device().make_current();
  return &cuda_stream.queue();
}

}  // namespace lockflight::cuda
