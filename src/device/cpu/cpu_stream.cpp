#include <cstring>
#include <utility>

#include "device/cpu/cpu_device.h"

namespace lockflight::cpu {
namespace {

// Of nothing there may be no address.
void copy(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0) {
    std::memcpy(to, from, bytes);
  }
}

}  // namespace

CpuStream::CpuStream(CpuDevice& device, std::shared_ptr<TaskQueue> queue)
    : device_(device), queue_(std::move(queue)) {}

CpuStream::~CpuStream() {
  queue_->close();
  device_.doorbell().ring();
}

void CpuStream::record(Event& event) {
  auto& cpu_event = static_cast<CpuEvent&>(event);
  cpu_event.queue = queue_;
  cpu_event.record = ++records_;
  enqueue(Record{records_});
}

void CpuStream::wait(Event& event) {
  const auto& cpu_event = static_cast<CpuEvent&>(event);
  if (cpu_event.queue) {
    enqueue(Wait{cpu_event.queue, cpu_event.record});
  }
}

void CpuStream::time(std::int64_t* nanoseconds) { enqueue(Time{nanoseconds}); }

void CpuStream::upload(const TensorView& to, const void* from) {
  enqueue(Kernel{[to, from](Team& /*team*/) { copy(to.data(), from, to.bytes()); }});
}

void CpuStream::download(void* to, const TensorView& from) {
  enqueue(Kernel{[to, from](Team& /*team*/) { copy(to, from.data(), from.bytes()); }});
}

}  // namespace lockflight::cpu
