// Streams, events and synchronisation.

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "virtual_gpu/cudart/call.h"

using virtual_gpu::call;
using virtual_gpu::Event;
using virtual_gpu::intern;
using virtual_gpu::Machine;
using virtual_gpu::Operation;
using virtual_gpu::Stream;

namespace {

constexpr int kMostAtOnce = 64;
constexpr auto kNap = std::chrono::microseconds(50);

cudaStream_t handle(Stream* stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaEvent_t handle(Event* event) { return reinterpret_cast<cudaEvent_t>(event); }

// Runs operations, then asks.  Pauses a little, without the lock, if there was nothing to run and
// the answer is no: programs ask again and again.
template <typename Ask>
cudaError_t poll(const char* name, Ask ask) {
  {
    const virtual_gpu::Lock lock;
    Machine& m = virtual_gpu::machine();
    if (const auto code = m.calls.enter(name, cudaErrorUnknown)) {
      return virtual_gpu::remember(m, static_cast<cudaError_t>(*code));
    }
    const int ran = m.scheduler.pump(kMostAtOnce);
    const cudaError_t status = ask(m);
    if (status != cudaErrorNotReady) {
      m.hosts.act();
      return virtual_gpu::remember(m, status);
    }
    if (ran > 0) {
      return status;
    }
  }
  std::this_thread::sleep_for(kNap);
  return cudaErrorNotReady;
}

cudaError_t make_stream(Machine& machine, cudaStream_t* stream, unsigned flags, int priority) {
  if (stream == nullptr || (flags & ~unsigned{cudaStreamNonBlocking}) != 0) {
    return cudaErrorInvalidValue;
  }
  *stream = handle(machine.make_stream(machine.hosts.current_device(),
                                       (flags & cudaStreamNonBlocking) != 0, priority));
  return cudaSuccess;
}

cudaError_t record(Machine& machine, Event* event, Stream* stream) {
  if (event == nullptr || stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (event->device != stream->device) {
    machine.report("wrong device", fmt::format("an event of device {} is recorded on {}",
                                               event->device, *stream->name));
    return cudaErrorInvalidResourceHandle;
  }
  const auto time = std::make_shared<std::chrono::steady_clock::time_point>();
  event->time = time;
  event->record = machine.scheduler.enqueue(
      *stream, {.name = intern("cudaEventRecord"),
                .run = [time](const Operation&) { *time = std::chrono::steady_clock::now(); }});
  return cudaSuccess;
}

}  // namespace

LOCKFLIGHT_API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags,
                                                        int priority) {
  return call(__func__, [&](Machine& m) { return make_stream(m, stream, flags, priority); });
}

LOCKFLIGHT_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call(__func__, [&](Machine& m) { return make_stream(m, stream, flags, 0); });
}

LOCKFLIGHT_API cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    Stream* const found = stream == nullptr ? nullptr : m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    m.destroy(found);
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return poll(__func__, [&](Machine& m) {
    const Stream* const found = m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    m.hosts.ask("polls cudaStreamQuery of " + *found->name);
    return m.scheduler.query(*found);
  });
}

LOCKFLIGHT_API cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    const Stream* const found = m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    return m.scheduler.wait([&] { return m.scheduler.query(*found); },
                            "cudaStreamSynchronize of " + *found->name);
  });
}

LOCKFLIGHT_API cudaError_t cudaDeviceSynchronize() {
  return call(__func__, [&](Machine& m) {
    const int device = m.hosts.current_device();
    return m.scheduler.wait([&] { return m.scheduler.query(device); },
                            fmt::format("cudaDeviceSynchronize of device {}", device));
  });
}

LOCKFLIGHT_API cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                               unsigned flags) {
  return call(__func__, [&](Machine& m) {
    Stream* const waiting = m.find(stream);
    const Event* const awaited = m.find(event);
    if (waiting == nullptr || awaited == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    if (flags != 0) {
      return cudaErrorInvalidValue;
    }
    if (awaited->record) {  // nothing to wait for if it was never recorded
      m.scheduler.enqueue(*waiting,
                          {.name = intern("cudaStreamWaitEvent"), .after = {awaited->record}});
    }
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call(__func__, [&](Machine& m) {
    *event = handle(m.make_event(m.hosts.current_device(), (flags & cudaEventDisableTiming) == 0));
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call(__func__, [&](Machine& m) {
    Event* const found = m.find(event);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    m.destroy(found);
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call(__func__, [&](Machine& m) { return record(m, m.find(event), m.find(stream)); });
}

LOCKFLIGHT_API cudaError_t cudaEventQuery(cudaEvent_t event) {
  return poll(__func__, [&](Machine& m) {
    const Event* const found = m.find(event);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    const cudaError_t status = m.scheduler.query(found->record);
    if (status == cudaErrorNotReady) {
      m.hosts.ask("polls cudaEventQuery of " + Machine::describe(*found->record));
    }
    return status;
  });
}

LOCKFLIGHT_API cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call(__func__, [&](Machine& m) {
    const Event* const found = m.find(event);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    const auto recorded = found->record;
    if (!recorded) {
      return cudaSuccess;
    }
    return m.scheduler.wait([&] { return m.scheduler.query(recorded); },
                            "cudaEventSynchronize of " + Machine::describe(*recorded));
  });
}

LOCKFLIGHT_API cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin,
                                                cudaEvent_t end) {
  return call(__func__, [&](Machine& m) {
    const Event* const first = m.find(begin);
    const Event* const last = m.find(end);
    if (first == nullptr || last == nullptr || !first->timing || !last->timing || !first->record ||
        !last->record) {
      return cudaErrorInvalidResourceHandle;
    }
    for (const auto& operation : {first->record, last->record}) {
      const cudaError_t status = m.scheduler.query(operation);
      if (status != cudaSuccess) {
        return status;
      }
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*last->time - *first->time).count();
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function,
                                              void* data) {
  return call(__func__, [&](Machine& m) {
    Stream* const found = m.find(stream);
    if (found == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    m.scheduler.enqueue(*found, {.name = intern("cudaLaunchHostFunc"),
                                 .run = [=](const Operation&) { function(data); },
                                 .without_lock = true});
    return cudaSuccess;
  });
}
