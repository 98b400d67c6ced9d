// A step in which a call of CUDA or NCCL fails, on the virtual GPU host.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "lockflight/core/error.h"
#include "virtual_gpu/control.h"

namespace lockflight::test {

/// What `step` throws when the nth call of the function in it fails with `code`; empty if it throws
/// nothing.
inline std::string failure_with(const std::string& function, std::int64_t nth, int code,
                                const std::function<void()>& step) {
  virtual_gpu::fail_call(function, nth, code);
  std::string failure;
  try {
    step();
  } catch (const DeviceError& error) {
    failure = error.what();
  } catch (const TransportError& error) {
    failure = error.what();
  }
  virtual_gpu::clear_faults();
  return failure;
}

}  // namespace lockflight::test
