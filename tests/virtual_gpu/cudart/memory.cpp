// Allocations and copies.

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "virtual_gpu/cudart/call.h"

using virtual_gpu::Access;
using virtual_gpu::call;
using virtual_gpu::Captures;
using virtual_gpu::intern;
using virtual_gpu::Machine;
using virtual_gpu::Memory;
using virtual_gpu::Operation;
using virtual_gpu::Stream;

namespace {

bool is_device(int space) { return space != Memory::kPinned && space != Memory::kNowhere; }

cudaError_t allocate(Machine& machine, void** memory, std::size_t bytes, int space) {
  if (memory == nullptr) {
    return cudaErrorInvalidValue;
  }
  *memory = nullptr;
  const cudaError_t safe = Captures::check_safe(machine);
  if (bytes == 0 || safe != cudaSuccess) {
    return safe;
  }
  *memory = machine.memory.allocate(space, bytes);
  return virtual_gpu::error_if(*memory == nullptr, cudaErrorMemoryAllocation);
}

// Waits first until nothing runs on the devices that could use the memory, as the real one does.
cudaError_t release(Machine& machine, void* memory, bool pinned, const char* function) {
  const cudaError_t safe = Captures::check_safe(machine);
  if (memory == nullptr || safe != cudaSuccess) {
    return safe;
  }
  const int space = machine.memory.space_of(memory);
  const auto allocation = machine.memory.find(memory);
  if (!allocation || allocation->begin != reinterpret_cast<std::uintptr_t>(memory) ||
      pinned != (space == Memory::kPinned)) {
    machine.report("bad free", fmt::format("{} of {}, where no {} allocation begins", function,
                                           memory, pinned ? "pinned" : "device"));
    return cudaErrorInvalidValue;
  }
  machine.scheduler.wait([&] { return machine.scheduler.idle(pinned ? -1 : space); }, function);
  std::string damage;
  machine.memory.release(space, memory, &damage);
  machine.forget(allocation->begin, allocation->begin + allocation->bytes);
  if (!damage.empty()) {
    machine.report("out of bounds", damage);
  }
  return cudaSuccess;
}

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  int to_space, from_space;

  Copy(const Machine& machine, void* to_, const void* from_, std::size_t bytes_)
      : to(to_),
        from(from_),
        bytes(bytes_),
        to_space(machine.memory.space_of(to)),
        from_space(machine.memory.space_of(from)) {}

  bool fits(cudaMemcpyKind kind) const {
    switch (kind) {
      case cudaMemcpyHostToHost:
        return !is_device(to_space) && !is_device(from_space);
      case cudaMemcpyHostToDevice:
        return is_device(to_space) && !is_device(from_space);
      case cudaMemcpyDeviceToHost:
        return !is_device(to_space) && is_device(from_space);
      case cudaMemcpyDeviceToDevice:
        return is_device(to_space) && is_device(from_space);
      default:
        return true;
    }
  }
  const char* direction() const {
    if (is_device(from_space)) {
      if (!is_device(to_space)) {
        return "device to host";
      }
      return to_space == from_space ? "in the device" : "to another device";
    }
    return is_device(to_space) ? "host to device" : "host to host";
  }
};

// Whether the bytes lie in one living allocation, or outside of the machine's memory.
bool inside(Machine& machine, const char* function, const void* begin, std::size_t bytes,
            int space) {
  if (space == Memory::kNowhere) {
    return true;
  }
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  const auto trouble = machine.memory.trouble(first, first + bytes);
  if (trouble) {
    machine.report(trouble->kind, fmt::format("{} of {} bytes of {} at {}: {}", function, bytes,
                                              Memory::name(space), begin, trouble->text));
  }
  return !trouble;
}

// Pageable memory is read before the call returns, and written before it returns.
cudaError_t copy(Machine& machine, const Copy& c, cudaMemcpyKind kind, Stream* stream, bool waits,
                 const char* function) {
  if (stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (c.bytes == 0) {
    return cudaSuccess;
  }
  const bool pageable = c.to_space == Memory::kNowhere || c.from_space == Memory::kNowhere;
  if (stream->captured && (waits || pageable)) {
    return Captures::refuse(stream->captured);
  }
  if (!c.fits(kind)) {
    machine.report("wrong direction",
                   fmt::format("{} of {} bytes goes {}, not as its cudaMemcpyKind says", function,
                               c.bytes, c.direction()));
    return cudaErrorInvalidMemcpyDirection;
  }
  if (!inside(machine, function, c.to, c.bytes, c.to_space) ||
      !inside(machine, function, c.from, c.bytes, c.from_space)) {
    return cudaErrorInvalidValue;
  }
  Operation operation{.name = intern(fmt::format("{} {}", function, c.direction())),
                      .accesses = {{c.from, c.bytes, false}, {c.to, c.bytes, true}}};
  if (c.from_space == Memory::kNowhere) {
    const auto* bytes = static_cast<const std::byte*>(c.from);
    const auto staged = std::make_shared<std::vector<std::byte>>(bytes, bytes + c.bytes);
    operation.run = [to = c.to, staged](const Operation&) {
      std::memcpy(to, staged->data(), staged->size());
    };
  } else {
    operation.run = [to = c.to, from = c.from, bytes = c.bytes](const Operation&) {
      std::memmove(to, from, bytes);
    };
  }
  const auto enqueued = machine.scheduler.enqueue(*stream, std::move(operation));
  if (!waits && c.to_space != Memory::kNowhere) {
    return cudaSuccess;
  }
  return machine.scheduler.wait([&] { return machine.scheduler.query(enqueued); }, function);
}

cudaError_t fill(Machine& machine, void* to, int value, std::size_t bytes, Stream* stream) {
  if (stream == nullptr) {
    return cudaErrorInvalidResourceHandle;
  }
  if (bytes == 0) {
    return cudaSuccess;
  }
  const int space = machine.memory.space_of(to);
  if (space == Memory::kNowhere || !inside(machine, "cudaMemsetAsync", to, bytes, space)) {
    return cudaErrorInvalidValue;
  }
  machine.scheduler.enqueue(*stream,
                            {.name = intern("cudaMemsetAsync"),
                             .accesses = {{to, bytes, true}},
                             .run = [=](const Operation&) { std::memset(to, value, bytes); }});
  return cudaSuccess;
}

}  // namespace

LOCKFLIGHT_API cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return call(__func__,
              [&](Machine& m) { return allocate(m, memory, bytes, m.hosts.current_device()); });
}

LOCKFLIGHT_API cudaError_t cudaFree(void* memory) {
  return call(__func__, [&](Machine& m) { return release(m, memory, false, "cudaFree"); });
}

LOCKFLIGHT_API cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return call(__func__, [&](Machine& m) { return allocate(m, memory, bytes, Memory::kPinned); });
}

LOCKFLIGHT_API cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return call(__func__, [&](Machine& m) { return allocate(m, memory, bytes, Memory::kPinned); });
}

LOCKFLIGHT_API cudaError_t cudaFreeHost(void* memory) {
  return call(__func__, [&](Machine& m) { return release(m, memory, true, "cudaFreeHost"); });
}

LOCKFLIGHT_API cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call(__func__, [&](Machine& m) {
    const std::size_t used = m.memory.used(m.hosts.current_device());
    *total = m.memory.limit();
    *free = *total - std::min(*total, used);
    return cudaSuccess;
  });
}

LOCKFLIGHT_API cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                           cudaMemcpyKind kind, cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    return copy(m, Copy(m, to, from, bytes), kind, m.find(stream), false, "cudaMemcpyAsync");
  });
}

LOCKFLIGHT_API cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes,
                                      cudaMemcpyKind kind) {
  return call(__func__, [&](Machine& m) {
    const cudaError_t safe = Captures::check_safe(m);
    if (safe != cudaSuccess) {
      return safe;
    }
    return copy(m, Copy(m, to, from, bytes), kind, m.find(cudaStreamLegacy), true, "cudaMemcpy");
  });
}

LOCKFLIGHT_API cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from,
                                               int from_device, std::size_t bytes,
                                               cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    const Copy c(m, to, from, bytes);
    if (c.to_space != to_device || c.from_space != from_device) {
      m.report("wrong device",
               fmt::format("cudaMemcpyPeerAsync from device {} to device {}, but the pointers are "
                           "of {} and {}",
                           from_device, to_device, Memory::name(c.from_space),
                           Memory::name(c.to_space)));
      return cudaErrorInvalidValue;
    }
    return copy(m, c, cudaMemcpyDefault, m.find(stream), false, "cudaMemcpyPeerAsync");
  });
}

LOCKFLIGHT_API cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes,
                                           cudaStream_t stream) {
  return call(__func__, [&](Machine& m) { return fill(m, to, value, bytes, m.find(stream)); });
}

LOCKFLIGHT_API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes,
                                                    const void* pointer) {
  return call(__func__, [&](Machine& m) {
    const int space = m.memory.space_of(pointer);
    *attributes = {};
    attributes->device = is_device(space) ? space : cudaInvalidDeviceId;
    attributes->type = is_device(space)           ? cudaMemoryTypeDevice
                       : space == Memory::kPinned ? cudaMemoryTypeHost
                                                  : cudaMemoryTypeUnregistered;
    if (space != Memory::kNowhere) {
      attributes->devicePointer = const_cast<void*>(pointer);
    }
    if (space == Memory::kPinned) {
      attributes->device = m.hosts.current_device();
      attributes->hostPointer = const_cast<void*>(pointer);
    }
    return cudaSuccess;
  });
}
