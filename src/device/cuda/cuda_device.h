// The CUDA backend: see lockflight/device/cuda_device.h.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cuda_runtime_api.h>

#include "device/arena.h"
#include "device/cuda/blas.h"
#include "device/cuda/nvtx.h"
#include "device/cuda/queue.h"
#include "device/cuda/staging.h"
#include "device/cuda/stream_clock.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight::cuda {

class CudaGraph;
class CudaStream;

/// What looks after a device's transfers while the device is waited for.  All are called by the
/// device's host thread.
struct Watch {
  std::function<void()> poll;  ///< throws the failure that it sees
  std::function<void()> idle;  ///< everything enqueued has run
  /// The device failed, for that reason: nobody may go on waiting for it.  False if something could
  /// not be ended.
  std::function<bool(const std::string& reason)> failed;
  std::function<std::string()> waiting;  ///< what has had no answer so far; may be empty
};

class CudaDevice final : public Device {
 public:
  /// Bytes that come to the host.
  struct Download {
    void* to;
    const std::byte* from;  // pinned
    std::size_t bytes;
    cudaStream_t stream = nullptr;
  };

  CudaDevice(int number, const CudaDeviceOptions& options,
             std::chrono::steady_clock::time_point made);
  ~CudaDevice() override;

  DeviceKind kind() const override { return DeviceKind::cuda; }
  std::unique_ptr<Stream> make_stream(StreamRole role) override;
  std::unique_ptr<Event> make_event() override;
  void reserve(std::size_t bytes) override;
  MemoryUse memory() const override { return arena_.use(); }
  void mark(std::int32_t action) override { action_ = action; }
  bool shows_ranges() const override { return nvtx_attached(); }
  void begin_range(const std::string& name) override { nvtx_push(name.c_str()); }
  void end_range() override { nvtx_pop(); }
  std::optional<DeviceFailure> failure() const override;
  using Device::fail;
  void fail(std::exception_ptr error, std::int32_t action) override;
  std::string why_no_graph() const override { return {}; }
  std::unique_ptr<Graph> capture(std::span<Stream* const> streams,
                                 const std::function<void()>& work) override;
  /// Polls, so that a failure of this or another rank and the deadline are seen.  After a failure
  /// it does not wait for operations that may never end.
  void synchronize() override;
  void synchronize(Event& event) override;

  // For streams and transports.
  int number() const { return number_; }
  void make_current() const;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// All memory taken from CUDA so far, for transports that want to know it.
  std::vector<std::span<std::byte>> slabs() const { return arena_.slabs(); }
  void watch(Watch watch) { watches_.push_back(std::move(watch)); }

  // For streams, called by the host thread.
  void upload(cudaStream_t stream, const TensorView& to, const void* from);
  void download(cudaStream_t stream, void* to, const TensorView& from);
  void stamp(cudaStream_t stream, std::int64_t* nanoseconds) {
    clock_->stamp(stream, nanoseconds, action_);
  }
  std::size_t downloads() const { return forgotten_ + downloads_.size(); }
  void leave(CudaStream& stream);

  // For graphs.
  void begin_capture(CudaGraph& graph) { capturing_ = &graph; }
  void end_capture(CudaGraph& graph, bool done);
  /// Is done with `downloads` when everything enqueued has run.
  void expect(std::span<const Download> downloads);
  void leave(CudaGraph& graph);
  /// Whether something was left behind on it that may never end.
  bool stuck() const { return stuck_; }
  /// Waits until the stream is idle, but not long if the device failed.
  void drain(cudaStream_t stream) noexcept;

 private:
  std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* data, std::size_t bytes) noexcept override {
    arena_.release(data, bytes);
  }
  SlabSource slab_source() const;
  void await(const std::function<bool()>& busy) const;
  bool busy() const;
  [[noreturn]] void give_up() const;
  void finish_step();
  void forget_downloads();
  void read_complaint();
  [[noreturn]] void end_failed_step();

  const int number_;
  const CudaDeviceOptions options_;
  bool stuck_ = false;  // operations were left behind that may never end
  Arena arena_;
  std::unique_ptr<Staging> staging_ = std::make_unique<Staging>();
  std::unique_ptr<StreamClock> clock_;
  std::unique_ptr<Blas> blas_ = std::make_unique<Blas>();
  Complaint* complaint_ = nullptr;   // pinned
  std::vector<Download> downloads_;  // on their way, in the order of the host
  std::size_t forgotten_ = 0;        // those before them
  std::vector<CudaStream*> streams_;
  std::vector<CudaGraph*> graphs_;
  CudaGraph* capturing_ = nullptr;
  std::vector<Watch> watches_;
  std::int32_t action_ = -1;

  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::optional<DeviceFailure> failure_;  // guarded by mutex_
};

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(const CudaDevice& device);
  ~CudaEvent() override;
  cudaEvent_t event() const { return event_; }

  // Of its latest record.
  cudaStream_t stream = nullptr;
  std::size_t downloads = 0;  // so many had been enqueued

 private:
  const CudaDevice& device_;
  cudaEvent_t event_ = nullptr;
};

class CudaStream final : public Stream {
 public:
  CudaStream(CudaDevice& device, StreamRole role, Complaint* complaint, std::size_t workspace_bytes,
             Blas& blas);
  ~CudaStream() override;

  CudaDevice& device() override { return device_; }
  void record(Event& event) override;
  void wait(Event& event) override;
  void time(std::int64_t* nanoseconds) override;
  void upload(const TensorView& to, const void* from) override;
  void download(void* to, const TensorView& from) override;

  Queue& queue() { return *queue_; }
  cudaStream_t stream() const { return stream_; }

 private:
  CudaDevice& device_;
  cudaStream_t stream_ = nullptr;
  Tensor workspace_;
  std::optional<Queue> queue_;
};

}  // namespace lockflight::cuda
