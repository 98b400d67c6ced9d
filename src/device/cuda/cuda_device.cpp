#include "device/cuda/cuda_device.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "device/cuda/check.h"
#include "device/cuda/cuda_graph.h"
#include "lockflight/core/error.h"

namespace lockflight {
namespace cuda {
namespace {

using Clock = std::chrono::steady_clock;

// How long a failed device may take to become idle before its memory is left to the system.
constexpr std::chrono::seconds kGrace{10};

// Looks often at first, then without taking a core from others.
class Backoff {
 public:
  void pause() {
    if (++looks_ < kEager) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

 private:
  static constexpr int kEager = 200;
  int looks_ = 0;
};

std::exception_ptr error_of(const Complaint& complaint) {
  const bool token = complaint.kind == ComplaintKind::token_out_of_range;
  return std::make_exception_ptr(
      InvalidArgument(fmt::format("{} {} at position {} is outside the vocabulary of {}",
                                  token ? "embedding: token" : "cross_entropy: target",
                                  complaint.value, complaint.position, complaint.limit)));
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace

CudaDevice::CudaDevice(int number, const CudaDeviceOptions& options, Clock::time_point made)
    : number_(number), options_(options), arena_(slab_source()) {
  make_current();
  clock_ = std::make_unique<StreamClock>(made);
  void* pinned = nullptr;
  check(cudaMallocHost(&pinned, sizeof(Complaint)), "cudaMallocHost");
  complaint_ = new (pinned) Complaint{};
}

CudaDevice::~CudaDevice() {
  cudaSetDevice(number_);
  if (stuck_) {
    // To give these back could wait for ever for what is stuck.
    static_cast<void>(staging_.release());
    static_cast<void>(clock_.release());
    static_cast<void>(blas_.release());
  } else {
    cudaFreeHost(complaint_);
  }
}

void CudaDevice::make_current() const { check(cudaSetDevice(number_), "cudaSetDevice"); }

SlabSource CudaDevice::slab_source() const {
  return {.take =
              [this](std::size_t bytes) {
                make_current();
                void* data = nullptr;
                check(cudaMalloc(&data, bytes),
                      fmt::format("cudaMalloc of {} MiB for an arena; use a smaller model or "
                                  "micro-batch, or more ranks: it",
                                  bytes >> 20));
                return static_cast<std::byte*>(data);
              },
          .give_back =
              [this](std::byte* data, std::size_t /*bytes*/) {
                if (!stuck_) {  // else cudaFree would wait for ever
                  cudaSetDevice(number_);
                  cudaFree(data);
                }
              }};
}

std::byte* CudaDevice::allocate(std::size_t bytes) { return arena_.allocate(bytes); }
void CudaDevice::reserve(std::size_t bytes) { arena_.reserve(bytes); }

std::unique_ptr<Stream> CudaDevice::make_stream(StreamRole role) {
  auto stream =
      std::make_unique<CudaStream>(*this, role, complaint_, options_.workspace_bytes, *blas_);
  streams_.push_back(stream.get());
  return stream;
}

void CudaDevice::leave(CudaStream& stream) { std::erase(streams_, &stream); }

std::unique_ptr<Event> CudaDevice::make_event() { return std::make_unique<CudaEvent>(*this); }

std::optional<DeviceFailure> CudaDevice::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

void CudaDevice::fail(std::exception_ptr error, std::int32_t action) {
  const std::scoped_lock lock(mutex_);
  if (!failure_) {
    failure_ = DeviceFailure{std::move(error), action};
    failed_.store(true, std::memory_order_release);
  }
}

std::unique_ptr<Graph> CudaDevice::capture(std::span<Stream* const> streams,
                                           const std::function<void()>& work) {
  make_current();
  return std::make_unique<CudaGraph>(*this, streams, work);
}

void CudaDevice::end_capture(CudaGraph& graph, bool done) {
  capturing_ = nullptr;
  if (done) {
    graphs_.push_back(&graph);
  }
}

void CudaDevice::leave(CudaGraph& graph) { std::erase(graphs_, &graph); }

void CudaDevice::expect(std::span<const Download> downloads) {
  downloads_.insert(downloads_.end(), downloads.begin(), downloads.end());
}

void CudaDevice::upload(cudaStream_t stream, const TensorView& to, const void* from) {
  std::byte* pinned = nullptr;
  if (capturing_ != nullptr) {
    pinned = capturing_->upload(from, to.bytes());
  } else {
    pinned = staging_->take(to.bytes());
    std::memcpy(pinned, from, to.bytes());
  }
  check(cudaMemcpyAsync(to.data(), pinned, to.bytes(), cudaMemcpyHostToDevice, stream),
        "cudaMemcpyAsync to the device");
}

void CudaDevice::download(cudaStream_t stream, void* to, const TensorView& from) {
  std::byte* pinned =
      capturing_ != nullptr ? capturing_->download(to, from.bytes()) : staging_->take(from.bytes());
  check(cudaMemcpyAsync(pinned, from.data(), from.bytes(), cudaMemcpyDeviceToHost, stream),
        "cudaMemcpyAsync from the device");
  if (capturing_ == nullptr) {
    downloads_.push_back({to, pinned, from.bytes(), stream});
  }
}

void CudaDevice::synchronize() {
  try {
    make_current();
    await([this] { return busy(); });
    if (!failed()) {
      finish_step();
    }
  } catch (...) {
    fail(std::current_exception(), clock_->first_pending());
  }
  if (failed()) {
    end_failed_step();
  }
}

void CudaDevice::end_failed_step() {
  const std::exception_ptr error = failure()->error;
  const std::string reason = text_of(error);
  for (CudaGraph* graph : graphs_) {
    graph->drop();  // NCCL's abort waits for the graphs that hold its communicator
  }
  for (const Watch& watch : watches_) {
    stuck_ = !watch.failed(reason) || stuck_;
  }
  forget_downloads();
  clock_->drop();
  std::rethrow_exception(error);
}

void CudaDevice::synchronize(Event& event) {
  const auto& cuda_event = static_cast<const CudaEvent&>(event);
  try {
    make_current();
    await([&] {
      const cudaError_t status = cudaEventQuery(cuda_event.event());
      if (status != cudaErrorNotReady) {
        check(status, "an operation that was enqueued before");
      }
      return status == cudaErrorNotReady;
    });
  } catch (...) {
    fail(std::current_exception(), clock_->first_pending());
  }
  if (const auto first = failure()) {
    std::rethrow_exception(first->error);
  }
  for (std::size_t i = 0; i < downloads_.size() && forgotten_ + i < cuda_event.downloads; ++i) {
    Download& download = downloads_[i];
    if (download.stream == cuda_event.stream) {
      std::memcpy(download.to, download.from, std::exchange(download.bytes, 0));
    }
  }
}

bool CudaDevice::busy() const {
  return std::ranges::any_of(streams_, [](const CudaStream* stream) {
    const cudaError_t status = cudaStreamQuery(stream->stream());
    if (status != cudaErrorNotReady) {
      check(status, "an operation that was enqueued before");
    }
    return status == cudaErrorNotReady;
  });
}

void CudaDevice::await(const std::function<bool()>& busy) const {
  Backoff backoff;
  const auto begin = Clock::now();
  while (!failed() && busy()) {
    for (const Watch& watch : watches_) {
      watch.poll();
    }
    if (Clock::now() - begin > options_.deadline) {
      give_up();
    }
    backoff.pause();
  }
}

void CudaDevice::give_up() const {
  std::string waiting;
  for (const Watch& watch : watches_) {
    waiting += watch.waiting();
  }
  throw TransportError(fmt::format("cuda device {}: {} had no answer within {} ms", number_,
                                   waiting.empty() ? "what was enqueued" : waiting,
                                   options_.deadline.count()));
}

// Everything has run: what went to the host is there.
void CudaDevice::finish_step() {
  clock_->resolve();
  for (const Download& download : downloads_) {
    std::memcpy(download.to, download.from, download.bytes);
  }
  forget_downloads();
  staging_->clear();
  for (const Watch& watch : watches_) {
    watch.idle();
  }
  read_complaint();
}

void CudaDevice::forget_downloads() {
  forgotten_ += downloads_.size();
  downloads_.clear();
}

void CudaDevice::read_complaint() {
  if (complaint_->raised != 0) {
    fail(error_of(*complaint_));
  }
}

void CudaDevice::drain(cudaStream_t stream) noexcept {
  Backoff backoff;
  const auto begin = Clock::now();
  while (cudaStreamQuery(stream) == cudaErrorNotReady && !stuck_) {
    if (failed() && Clock::now() - begin > kGrace) {
      stuck_ = true;
      return;
    }
    backoff.pause();
  }
}

}  // namespace cuda

std::vector<std::unique_ptr<Device>> make_cuda_devices(std::span<const int> numbers,
                                                       const CudaDeviceOptions& options) {
  const CudaSupport support = cuda_support();
  if (!support.usable()) {
    throw DeviceError("cuda: " + support.why_not);
  }
  const auto made = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Device>> devices;
  for (const int number : numbers) {
    if (number < 0 || number >= static_cast<int>(support.devices.size())) {
      throw InvalidArgument(fmt::format("cuda: there is no device {}; this machine has 0 to {}",
                                        number, support.devices.size() - 1));
    }
    devices.push_back(std::make_unique<cuda::CudaDevice>(number, options, made));
  }
  return devices;
}

}  // namespace lockflight
