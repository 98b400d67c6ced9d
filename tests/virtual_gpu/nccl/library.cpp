#include "virtual_gpu/nccl/library.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace virtual_gpu {
namespace {

thread_local std::string last_error;

cudaError_t status_of(bool over) { return over ? cudaSuccess : cudaErrorNotReady; }

}  // namespace

Nccl& nccl() {
  static auto* const library = [] {
    auto* made =
        new Nccl{.machine = machine(), .communicators = {}, .waiting = {}, .registered = {}};
    made->machine.scheduler.add({.proceed = [made] { made->proceed(); },
                                 .deadlocked = [made] { made->fail_what_waits(); },
                                 .ended = [made] { made->report_leaks(); }});
    return made;
  }();
  return *library;
}

void Nccl::proceed() {
  for (auto group = waiting.begin(); group != waiting.end();) {
    if (group->connected()) {
      group->submit(machine);
      group = waiting.erase(group);
    } else {
      ++group;
    }
  }
}

void Nccl::fail_what_waits() {
  for (ncclComm* comm : communicators.all()) {
    const bool stuck = comm->last && comm->last->state == Operation::State::failed;
    if (stuck || Communicators::state(*comm) == ncclInProgress) {
      comm->error = ncclInternalError;
    }
  }
  waiting.clear();
}

void Nccl::report_leaks() {
  for (const ncclComm* comm : communicators.all()) {
    machine.report("leak", Communicators::describe(*comm) + " is never destroyed");
  }
  if (!registered.empty()) {
    machine.report("leak", fmt::format("{} buffers stay registered with NCCL", registered.size()));
  }
}

bool Nccl::has_waiting(const ncclComm* comm) const {
  return std::ranges::any_of(waiting, [comm](const Group& group) { return group.has(comm); });
}

void Nccl::forget(const ncclComm* comm) {
  std::erase_if(waiting, [comm](const Group& group) {
    const bool has = group.has(comm);
    if (has) {
      group.drop();
    }
    return has;
  });
}

ncclResult_t refuse(ncclResult_t code, std::string why) {
  last_error = std::move(why);
  return code;
}

ncclResult_t report(ncclResult_t code, const char* kind, std::string what) {
  nccl().machine.report(kind, what);
  return refuse(code, std::move(what));
}

ncclResult_t await(Nccl& library, ncclComm* comm, const char* function) {
  Scheduler& scheduler = library.machine.scheduler;
  scheduler.progress();
  const cudaError_t waited =
      scheduler.wait([comm] { return status_of(Communicators::state(*comm) != ncclInProgress); },
                     fmt::format("{} ({}): waits {}", function, Communicators::describe(*comm),
                                 Communicators::waits_for(*comm)));
  const ncclResult_t state = Communicators::state(*comm);
  if (waited != cudaSuccess || (state != ncclSuccess && state != ncclInvalidUsage)) {
    return refuse(ncclInternalError, fmt::format("{}: the other ranks never came", function));
  }
  if (state == ncclInvalidUsage) {
    return refuse(state, fmt::format("{}: two ranks use device {}", function, comm->device));
  }
  return ncclSuccess;
}

OpenGroup& open_group() {
  thread_local OpenGroup group;
  return group;
}

namespace {

// Blocks until the ends of all connections have come.
ncclResult_t await_submission(Nccl& library, const ncclComm* comm, const char* function) {
  const std::string what =
      fmt::format("{}: waits for {}", function, library.waiting.back().waits_for());
  library.proceed();
  library.machine.scheduler.wait([&] { return status_of(!library.has_waiting(comm)); }, what);
  return comm->error == ncclSuccess
             ? ncclSuccess
             : refuse(comm->error, fmt::format("{}: the other end never came", function));
}

}  // namespace

ncclResult_t end_group(Nccl& library, OpenGroup ended, const char* function) {
  const bool blocking =
      std::ranges::all_of(ended.made, &ncclComm::blocking) &&
      std::ranges::all_of(ended.transfers, [](const auto& t) { return t->comm->blocking; });
  library.machine.scheduler.progress();
  if (!ended.transfers.empty()) {
    const ncclComm* comm = ended.transfers[0]->comm;
    library.waiting.emplace_back(std::move(ended.transfers));
    if (blocking) {
      return await_submission(library, comm, function);
    }
  }
  if (!blocking) {
    library.machine.scheduler.start_watching();
    return ncclInProgress;
  }
  for (ncclComm* comm : ended.made) {
    const ncclResult_t result = await(library, comm, function);
    if (result != ncclSuccess) {
      return result;
    }
  }
  return ncclSuccess;
}

ncclResult_t check_alive(Nccl& library, const ncclComm* comm, const char* function) {
  if (comm == nullptr) {
    return refuse(ncclInvalidArgument, fmt::format("{}: the communicator is NULL", function));
  }
  if (!library.communicators.alive(comm)) {
    return report(ncclInvalidArgument, "bad handle",
                  fmt::format("{}: a communicator that does not exist, or no longer", function));
  }
  return ncclSuccess;
}

ncclResult_t check_ready(Nccl& library, const ncclComm* comm, const char* function) {
  const ncclResult_t alive = check_alive(library, comm, function);
  if (alive != ncclSuccess) {
    return alive;
  }
  const ncclResult_t state = Communicators::state(*comm);
  if (state == ncclInProgress) {
    return report(ncclInvalidArgument, "nccl misuse",
                  fmt::format("{} on {}, which is still in progress: ask ncclCommGetAsyncError "
                              "until it is not",
                              function, Communicators::describe(*comm)));
  }
  if (comm->finalized) {
    return report(
        ncclInvalidArgument, "nccl misuse",
        fmt::format("{} on {}, which is finalized", function, Communicators::describe(*comm)));
  }
  return state == ncclSuccess ? ncclSuccess : refuse(state, "the communicator has failed");
}

}  // namespace virtual_gpu

LOCKFLIGHT_API const char* ncclGetLastError(ncclComm_t) { return virtual_gpu::last_error.c_str(); }
