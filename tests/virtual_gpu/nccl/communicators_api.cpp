// Making and ending communicators.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "virtual_gpu/nccl/library.h"
#include "virtual_gpu/nccl/rendezvous.h"

using virtual_gpu::call;
using virtual_gpu::Communicators;
using virtual_gpu::Nccl;

namespace {

bool blocking_of(const ncclConfig_t* config) { return config == nullptr || config->blocking != 0; }

ncclResult_t check_config(const ncclConfig_t* config) {
  const ncclConfig_t fresh = NCCL_CONFIG_INITIALIZER;
  if (config != nullptr && (config->size != fresh.size || config->magic != fresh.magic)) {
    return virtual_gpu::refuse(ncclInvalidArgument, "the config was not initialised");
  }
  const auto in_range = [](int value) { return value == NCCL_CONFIG_UNDEF_INT || value > 0; };
  if (config != nullptr && (!in_range(config->minCTAs) || !in_range(config->maxCTAs))) {
    return virtual_gpu::refuse(ncclInvalidArgument, "minCTAs and maxCTAs must be positive");
  }
  return ncclSuccess;
}

// NCCL waits until nobody has a graph any more that holds the communicator.
void check_graphs(Nccl& library, const ncclComm* comm, const char* function) {
  if (library.machine.in_a_graph(comm)) {
    library.machine.report(
        "nccl misuse", fmt::format("{} of {}, which a graph holds: it would never return", function,
                                   Communicators::describe(*comm)));
  }
}

// Waits for a new communicator, leaves that to the end of the group, or to its user.
ncclResult_t made(Nccl& library, ncclComm* comm, const char* function) {
  virtual_gpu::OpenGroup& group = virtual_gpu::open_group();
  if (group.depth > 0) {
    group.made.push_back(comm);
    return ncclSuccess;
  }
  return virtual_gpu::end_group(library, {.made = {comm}}, function);
}

ncclResult_t init(Nccl& library, ncclComm_t* comm, int size, const ncclUniqueId& id, int rank,
                  const ncclConfig_t* config, const char* function) {
  const ncclResult_t valid = check_config(config);
  if (valid != ncclSuccess) {
    return valid;
  }
  if (comm == nullptr || size < 1 || rank < 0 || rank >= size) {
    return virtual_gpu::refuse(ncclInvalidArgument,
                               fmt::format("{}: rank {} of {}", function, rank, size));
  }
  std::string why;
  const std::string key(id.internal, strnlen(id.internal, sizeof(id.internal)));
  *comm = library.communicators.join(key, size, rank, library.machine.hosts.current_device(),
                                     blocking_of(config), &why);
  if (*comm == nullptr) {
    return virtual_gpu::report(ncclInvalidUsage, "nccl misuse",
                               fmt::format("{}: {}", function, why));
  }
  return made(library, *comm, function);
}

ncclUniqueId make_id(Nccl& library) {
  ncclUniqueId id{};
  std::snprintf(id.internal, sizeof(id.internal), "%s", library.communicators.make_id().c_str());
  return id;
}

// Waits until what was issued has run.
ncclResult_t flush(Nccl& library, ncclComm* comm, const char* function) {
  comm->finalized = true;
  return virtual_gpu::await(library, comm, function);
}

}  // namespace

LOCKFLIGHT_API ncclResult_t ncclGetVersion(int* version) {
  return call(__func__, [&](Nccl&) {
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
  });
}

LOCKFLIGHT_API ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  return call(__func__, [&](Nccl& library) {
    *id = make_id(library);
    return ncclSuccess;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id,
                                             int rank) {
  return call(__func__, [&](Nccl& library) {
    return init(library, comm, size, id, rank, nullptr, "ncclCommInitRank");
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id,
                                                   int rank, ncclConfig_t* config) {
  return call(__func__, [&](Nccl& library) {
    return init(library, comm, size, id, rank, config, "ncclCommInitRankConfig");
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int* devices) {
  return call(__func__, [&](Nccl& library) {
    const ncclUniqueId id = make_id(library);
    std::string why;
    for (int rank = 0; rank < count; ++rank) {
      comms[rank] = library.communicators.join(
          id.internal, count, rank, devices == nullptr ? rank : devices[rank], true, &why);
    }
    return virtual_gpu::await(library, comms[0], "ncclCommInitAll");
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key,
                                          ncclComm_t* made_comm, ncclConfig_t* config) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommSplit");
    const ncclResult_t valid = check_config(config);
    if (ready != ncclSuccess || valid != ncclSuccess) {
      return ready != ncclSuccess ? ready : valid;
    }
    const bool blocking = config == nullptr ? comm->blocking : blocking_of(config);
    *made_comm = library.communicators.split(comm, color, key, blocking);
    return *made_comm == nullptr ? ncclSuccess : made(library, *made_comm, "ncclCommSplit");
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  {
    const virtual_gpu::Lock lock;
    Nccl& library = virtual_gpu::nccl();
    const ncclResult_t alive = virtual_gpu::check_alive(library, comm, "ncclCommGetAsyncError");
    if (alive != ncclSuccess) {
      return alive;
    }
    if (const auto code = library.machine.calls.enter(__func__, ncclRemoteError)) {
      comm->error = static_cast<ncclResult_t>(*code);  // it is what is asked for that fails
    }
    const bool ran = library.machine.scheduler.pump(1) > 0;
    *error = Communicators::state(*comm);
    if (*error != ncclInProgress) {
      library.machine.hosts.act();
      return ncclSuccess;
    }
    library.machine.scheduler.start_watching();
    library.machine.hosts.ask(fmt::format("polls ncclCommGetAsyncError ({}), which waits {}",
                                          Communicators::describe(*comm),
                                          Communicators::waits_for(*comm)));
    if (ran) {
      return ncclSuccess;
    }
  }
  std::this_thread::sleep_for(std::chrono::microseconds(50));
  return ncclSuccess;
}

LOCKFLIGHT_API ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommFinalize");
    if (ready != ncclSuccess) {
      return ready;
    }
    comm->finalized = true;
    return comm->blocking ? flush(library, comm, "ncclCommFinalize") : ncclInProgress;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return call(__func__, [&](Nccl& library) {
    if (comm == nullptr) {
      return ncclSuccess;
    }
    const ncclResult_t alive = virtual_gpu::check_alive(library, comm, "ncclCommDestroy");
    if (alive != ncclSuccess) {
      return alive;
    }
    check_graphs(library, comm, "ncclCommDestroy");
    const ncclResult_t flushed = flush(library, comm, "ncclCommDestroy");
    library.forget(comm);
    library.communicators.destroy(comm);
    return flushed;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommAbort(ncclComm_t comm) {
  return call(__func__, [&](Nccl& library) {
    if (comm == nullptr) {
      return ncclSuccess;
    }
    const ncclResult_t alive = virtual_gpu::check_alive(library, comm, "ncclCommAbort");
    if (alive != ncclSuccess) {
      return alive;
    }
    check_graphs(library, comm, "ncclCommAbort");
    virtual_gpu::withdraw(*comm);
    library.forget(comm);
    library.communicators.destroy(comm);
    return ncclSuccess;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommCount");
    if (ready == ncclSuccess) {
      *count = static_cast<int>(comm->clique->members.size());
    }
    return ready;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommUserRank");
    if (ready == ncclSuccess) {
      *rank = comm->rank;
    }
    return ready;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* device) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommCuDevice");
    if (ready == ncclSuccess) {
      *device = comm->device;
    }
    return ready;
  });
}

LOCKFLIGHT_API const char* ncclGetErrorString(ncclResult_t code) {
  switch (code) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}
