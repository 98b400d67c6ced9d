#include "virtual_gpu/machine/signals.h"

#include <atomic>
#include <cstring>

#include <fmt/format.h>

#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {
namespace {

// The host may store to the word at any time.
std::uint32_t value_of(std::uint32_t* word) {
  return std::atomic_ref<std::uint32_t>(*word).load(std::memory_order_acquire);
}

bool reached(std::uint32_t* word, std::uint32_t value) {
  return static_cast<std::int32_t>(value_of(word) - value) >= 0;
}

// What both functions refuse.
CUresult refuse(Machine& machine, const char* function, Stream* stream, CUdeviceptr address,
                bool flags_known) {
  if (stream == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!flags_known) {
    machine.report("unsupported", fmt::format("{} with flags that are not emulated", function));
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const auto trouble =
      machine.memory.space_of(reinterpret_cast<void*>(address)) == Memory::kNowhere
          ? Memory::Trouble{"host memory in a kernel", "pageable host memory"}
          : machine.memory.trouble(address, address + 4).value_or(Memory::Trouble{});
  if (!trouble.kind.empty() || address % 4 != 0) {
    machine.report(trouble.kind.empty() ? "misaligned access" : trouble.kind,
                   fmt::format("{} on a word at {:#x}: {}", function, address, trouble.text));
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult CUDAAPI wait_value(CUstream handle, CUdeviceptr address, cuuint32_t value,
                            unsigned flags) {
  const Lock lock;
  Machine& m = machine();
  if (const auto code = m.calls.enter("cuStreamWaitValue32", CUDA_ERROR_UNKNOWN)) {
    return static_cast<CUresult>(*code);
  }
  Stream* const stream = m.find(handle);
  const CUresult status =
      refuse(m, "cuStreamWaitValue32", stream, address, flags == CU_STREAM_WAIT_VALUE_GEQ);
  if (status == CUDA_SUCCESS) {
    Signals::enqueue_wait(m, *stream, reinterpret_cast<std::uint32_t*>(address), value);
  }
  return status;
}

CUresult CUDAAPI write_value(CUstream handle, CUdeviceptr address, cuuint32_t value,
                             unsigned flags) {
  const Lock lock;
  Machine& m = machine();
  if (const auto code = m.calls.enter("cuStreamWriteValue32", CUDA_ERROR_UNKNOWN)) {
    return static_cast<CUresult>(*code);
  }
  Stream* const stream = m.find(handle);
  const CUresult status =
      refuse(m, "cuStreamWriteValue32", stream, address, flags == CU_STREAM_WRITE_VALUE_DEFAULT);
  if (status == CUDA_SUCCESS) {
    Signals::enqueue_write(m, *stream, reinterpret_cast<std::uint32_t*>(address), value);
  }
  return status;
}

}  // namespace

void Signals::enqueue_wait(Machine& machine, Stream& stream, std::uint32_t* word,
                           std::uint32_t value) {
  Operation operation{.name = intern("cuStreamWaitValue32")};
  operation.ready = [word, value](const Operation&) { return reached(word, value); };
  // If the word is not what a stream wrote last, the host wrote it.
  operation.run = [&machine, word](Operation& self) {
    const auto& writes = machine.signals.writes_;
    const auto write = writes.find(word);
    const bool by_stream = write != writes.end() && write->second.value == value_of(word);
    self.clock.join(by_stream ? write->second.clock : machine.scheduler.host());
  };
  operation.waits_for = [word, value] {
    return fmt::format("the word at {:#x} to reach {}, which is {}",
                       reinterpret_cast<std::uintptr_t>(word), value, value_of(word));
  };
  machine.scheduler.enqueue(stream, std::move(operation));
}

void Signals::enqueue_write(Machine& machine, Stream& stream, std::uint32_t* word,
                            std::uint32_t value) {
  Operation operation{.name = intern("cuStreamWriteValue32")};
  operation.run = [&machine, word, value](const Operation& self) {
    std::atomic_ref<std::uint32_t>(*word).store(value, std::memory_order_release);
    machine.signals.writes_[word] = {value, self.clock};
  };
  machine.scheduler.enqueue(stream, std::move(operation));
}

void* driver_function(const char* name) {
  if (std::strcmp(name, "cuStreamWaitValue32") == 0) {
    return reinterpret_cast<void*>(&wait_value);
  }
  if (std::strcmp(name, "cuStreamWriteValue32") == 0) {
    return reinterpret_cast<void*>(&write_value);
  }
  return nullptr;
}

}  // namespace virtual_gpu
