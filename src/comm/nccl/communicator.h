// One rank's end of an NCCL communicator, non-blocking: every call that is still in progress is
// polled, with a deadline and an eye on the device's failure.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <span>
#include <string>
#include <vector>

#include <nccl.h>

#include "device/cuda/cuda_device.h"

namespace lockflight::comm {

/// Used by its device's host thread alone, with the device current.
class Communicator {
 public:
  /// Joins the communicator of `members`, ranks of the world, as the one with number `place` among
  /// them.  Waits for the others.  Throws TransportError if NCCL fails or they do not come in time.
  Communicator(cuda::CudaDevice& device, const ncclUniqueId& id, std::vector<int> members,
               int place, std::chrono::milliseconds deadline);
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  /// Aborts, if it was neither closed nor aborted.
  ~Communicator();

  const std::vector<int>& members() const { return members_; }
  int place() const { return place_; }
  ncclComm_t get() const { return comm_; }

  /// Makes the memory known, for transfers without a copy.
  void register_memory(std::span<std::byte> memory);
  /// Calls NCCL and waits until the call, not the operation, is through.  Throws TransportError.
  void call(const char* name, const std::function<ncclResult_t(ncclComm_t)>& work);
  /// Throws TransportError if NCCL has found an error since.
  void poll();

  /// Ends it in an orderly way; all members must do so at the same time.
  void close() noexcept;
  /// Has NCCL end what is under way, on a thread of its own, because NCCL may itself never come
  /// back.  The future is ready when it has.
  std::future<void> begin_abort() noexcept;
  /// Waits for an abort up to `until`.  False, and nccl_is_stuck() from then on, if it does not
  /// come back.
  static bool await_abort(const std::future<void>& abort,
                          std::chrono::steady_clock::time_point until) noexcept;
  /// Until when to wait for aborts that begin now: ten seconds, or less if the deadline is less.
  static std::chrono::steady_clock::time_point abort_deadline(std::chrono::milliseconds deadline);

 private:
  void abort() noexcept;
  void finish(const char* name, ncclResult_t result);
  [[noreturn]] void refuse(const char* name, const std::string& why) const;
  void deregister() noexcept;

  cuda::CudaDevice& device_;
  const std::vector<int> members_;
  const int place_;
  const std::chrono::milliseconds deadline_;
  ncclComm_t comm_ = nullptr;
  std::vector<void*> registered_;
};

}  // namespace lockflight::comm
