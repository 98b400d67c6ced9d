// What the calls of NCCL have in common.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nccl.h>

#include "virtual_gpu/machine/machine.h"
#include "virtual_gpu/nccl/communicator.h"
#include "virtual_gpu/nccl/transfer.h"

#define LOCKFLIGHT_API extern "C" __attribute__((visibility("default")))

namespace virtual_gpu {

/// The library's state.
struct Nccl {
  Machine& machine;
  Communicators communicators;
  std::vector<Group> waiting;  ///< ended groups of communicators that do not block
  std::set<void*> registered;  ///< handles of registered buffers

  /// Submits what is connected.
  void proceed();
  void fail_what_waits();
  void report_leaks();
  /// Drops groups that a dying communicator is part of.
  void forget(const ncclComm* comm);
  bool has_waiting(const ncclComm* comm) const;
};

Nccl& nccl();

/// Keeps what ncclGetLastError is to say.
ncclResult_t refuse(ncclResult_t code, std::string why);
/// The same, and the machine reports it.
ncclResult_t report(ncclResult_t code, const char* kind, std::string what);

/// Runs `body`, which takes the library's state and returns an ncclResult_t, unless the call is to
/// fail.
template <typename Body>
ncclResult_t call(const char* name, Body body) {
  const Lock lock;
  Nccl& library = nccl();
  library.machine.hosts.act();
  if (const auto code = library.machine.calls.enter(name, ncclInternalError)) {
    return refuse(static_cast<ncclResult_t>(*code), "this call fails on demand");
  }
  return body(library);
}

/// Waits until the communicator is not in progress any more.
ncclResult_t await(Nccl& library, ncclComm* comm, const char* function);

/// The calling thread's group.
struct OpenGroup {
  int depth = 0;
  std::vector<std::shared_ptr<Transfer>> transfers;
  std::vector<ncclComm*> made;  ///< communicators that the end of the group waits for
};
OpenGroup& open_group();
/// Ends a group: waits for new communicators, and hands transfers to the streams.
ncclResult_t end_group(Nccl& library, OpenGroup group, const char* function);

/// Whether the handle is a communicator that is ready for use; else reports and says why.
ncclResult_t check_ready(Nccl& library, const ncclComm* comm, const char* function);
ncclResult_t check_alive(Nccl& library, const ncclComm* comm, const char* function);

}  // namespace virtual_gpu
