// Devices, streams and events: what a backend supplies.
//
// A stream runs its operations one after another in the order in which they were enqueued; streams
// run beside each other.  An event orders them: what is enqueued on a stream after `wait(event)`
// starts when everything that was enqueued on the recording stream before `record(event)` has
// finished.  Enqueueing runs nothing and waits for nothing.  The semantics are those of CUDA
// streams and events on every backend.
//
// One host thread drives a device: its calls are not synchronised among each other.  A device must
// outlive its streams, events and tensors.

#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lockflight/core/tensor_spec.h"
#include "lockflight/device/memory_use.h"
#include "lockflight/device/planned_memory.h"
#include "lockflight/device/tensor.h"

namespace lockflight {

enum class DeviceKind : std::uint8_t { cpu, cuda, meta };

/// "cpu", "cuda" or "meta".
std::string_view name_of(DeviceKind kind);

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  virtual ~Event() = default;
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  virtual Device& device() = 0;

  /// Marks this point of the stream.  A later `wait` on any stream of the device refers to the
  /// latest record.
  virtual void record(Event& event) = 0;
  /// Holds what follows on this stream until the event's latest record has been reached.  No effect
  /// if the event was never recorded.
  virtual void wait(Event& event) = 0;
  /// Writes the device's clock, in nanoseconds since its world was made, to *nanoseconds when this
  /// point is reached. The slot must live until then.
  virtual void time(std::int64_t* nanoseconds) = 0;

  /// Copies host bytes to the device, or back: to.bytes() or from.bytes() of them.  Enqueued; does
  /// not wait: the host memory must stay as it is until the stream has passed this point.
  virtual void upload(const TensorView& to, const void* from) = 0;
  virtual void download(void* to, const TensorView& from) = 0;
};

/// What a stream is for: transfers are looked at first when several streams have something to do.
enum class StreamRole : std::uint8_t { compute, transfer };

/// Work that was captured, to be enqueued as a whole any number of times.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  virtual ~Graph() = default;

  /// Enqueues it on the first of the streams that it was captured from.  Uploads in it read the
  /// host's memory now, downloads write it as ever.  Does not wait.
  virtual void launch() = 0;
};

/// The first operation of a device that failed.
struct DeviceFailure {
  std::exception_ptr error;
  std::int32_t action = -1;  ///< what Device::mark said when it was enqueued
};

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  virtual DeviceKind kind() const = 0;
  virtual std::unique_ptr<Stream> make_stream(StreamRole role) = 0;
  virtual std::unique_ptr<Event> make_event() = 0;

  /// Memory for a tensor, not initialised.  Does not wait.  Throws DeviceError if there is none.
  Tensor empty(const TensorSpec& spec);
  /// From here on tensors get the places of `planned`; with nullptr memory of the device's own.
  void use(PlannedMemory* planned) { planned_ = planned; }
  /// Takes from the system what is missing so that `bytes` of tensors find room without asking it
  /// again.  Throws DeviceError if there is no such memory.
  virtual void reserve(std::size_t bytes) = 0;
  virtual MemoryUse memory() const = 0;

  /// Names what is enqueued from here on, for failure reports: the number of an action in the
  /// program.
  virtual void mark(std::int32_t action) = 0;
  /// Whether somebody looks at ranges: a profiler is attached.
  virtual bool shows_ranges() const { return false; }
  /// Puts what the calling thread enqueues until `end_range` into a range of that name, for
  /// profilers.  Ranges nest.  Worth the making of a name only where shows_ranges().
  virtual void begin_range(const std::string& /*name*/) {}
  virtual void end_range() {}

  /// The first failure, if something failed.  After a failure, operations are dropped instead of
  /// run.
  virtual std::optional<DeviceFailure> failure() const = 0;
  /// Makes the device fail with `error` as if an operation had; no effect if it failed already.
  /// From any thread.
  void fail(std::exception_ptr error) { fail(std::move(error), -1); }
  /// The same, at the action with that mark.
  virtual void fail(std::exception_ptr error, std::int32_t action) = 0;

  /// Why work cannot be captured on this device: a sentence; empty if it can.
  virtual std::string why_no_graph() const;
  /// Calls `work`; what it enqueues on these streams of the device does not run, but becomes a
  /// graph, which begins and ends on the first of them.  Host memory that it names must live as
  /// long as the graph.  No event may be recorded inside and waited for outside, or the other way
  /// round, and nothing may be timed.  Throws what `work` throws, and DeviceError if something in
  /// it cannot be captured.
  virtual std::unique_ptr<Graph> capture(std::span<Stream* const> streams,
                                         const std::function<void()>& work);

  /// Waits until everything enqueued has run or was dropped.  Throws the first failure.
  virtual void synchronize() = 0;
  /// Waits until the latest record of an event of the device has been reached; what was downloaded
  /// on its stream before is there then.  No effect if it was never recorded.  Throws the first
  /// failure.
  virtual void synchronize(Event& event) = 0;

 protected:
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void release(std::byte* data, std::size_t bytes) noexcept = 0;

 private:
  PlannedMemory* planned_ = nullptr;
};

}  // namespace lockflight
