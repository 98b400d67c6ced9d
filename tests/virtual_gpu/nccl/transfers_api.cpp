// Communication, groups and registered memory.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "virtual_gpu/nccl/library.h"

using virtual_gpu::call;
using virtual_gpu::Communicators;
using virtual_gpu::Memory;
using virtual_gpu::Nccl;
using virtual_gpu::OpenGroup;
using virtual_gpu::Stream;
using virtual_gpu::Transfer;

namespace {

// A buffer must lie on the communicator's device.
ncclResult_t check_buffer(Nccl& library, const Transfer& transfer, const void* buffer) {
  const int space = library.machine.memory.space_of(buffer);
  if (buffer == nullptr || transfer.count == 0 || space == transfer.comm->device) {
    return ncclSuccess;
  }
  return virtual_gpu::report(
      ncclInvalidArgument, "wrong device",
      fmt::format("{}: the buffer is {}, the communicator's device is {}", describe(transfer),
                  space == Memory::kNowhere ? "pageable memory" : Memory::name(space),
                  transfer.comm->device));
}

ncclResult_t check(Nccl& library, const Transfer& transfer) {
  const int size = static_cast<int>(transfer.comm->clique->members.size());
  if (transfer.point_to_point() && (transfer.peer < 0 || transfer.peer >= size)) {
    return virtual_gpu::refuse(ncclInvalidArgument, describe(transfer) + ": there is no such rank");
  }
  if (virtual_gpu::size_of(transfer.type) == 0) {
    return virtual_gpu::report(ncclInvalidArgument, "unsupported",
                               describe(transfer) + ": this type is not emulated");
  }
  if (transfer.stream->device != transfer.comm->device) {
    return virtual_gpu::report(
        ncclUnhandledCudaError, "wrong device",
        fmt::format("{} is enqueued on {}", describe(transfer), *transfer.stream->name));
  }
  for (const void* buffer : {transfer.from, static_cast<const void*>(transfer.to)}) {
    const ncclResult_t fits = check_buffer(library, transfer, buffer);
    if (fits != ncclSuccess) {
      return fits;
    }
  }
  return ncclSuccess;
}

ncclResult_t communicate(Nccl& library, Transfer transfer, cudaStream_t handle,
                         const char* function) {
  const ncclResult_t ready = virtual_gpu::check_ready(library, transfer.comm, function);
  if (ready != ncclSuccess) {
    return ready;
  }
  transfer.stream = library.machine.find(handle);
  if (transfer.stream == nullptr) {
    return ncclUnhandledCudaError;
  }
  const ncclResult_t valid = check(library, transfer);
  if (valid != ncclSuccess) {
    return valid;
  }
  auto shared = std::make_shared<Transfer>(std::move(transfer));
  OpenGroup& group = virtual_gpu::open_group();
  if (group.depth > 0) {
    group.transfers.push_back(std::move(shared));
    return ncclSuccess;
  }
  return virtual_gpu::end_group(library, {.transfers = {std::move(shared)}}, function);
}

}  // namespace

LOCKFLIGHT_API ncclResult_t ncclGroupStart() {
  return call(__func__, [&](Nccl&) {
    ++virtual_gpu::open_group().depth;
    return ncclSuccess;
  });
}

LOCKFLIGHT_API ncclResult_t ncclGroupEnd() {
  return call(__func__, [&](Nccl& library) {
    OpenGroup& group = virtual_gpu::open_group();
    if (group.depth == 0) {
      return virtual_gpu::report(ncclInvalidUsage, "nccl misuse",
                                 "ncclGroupEnd without ncclGroupStart");
    }
    if (--group.depth > 0) {
      return ncclSuccess;
    }
    return virtual_gpu::end_group(library, std::exchange(group, {}), "ncclGroupEnd");
  });
}

LOCKFLIGHT_API ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type,
                                     int peer, ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, [&](Nccl& library) {
    return communicate(library,
                       {.kind = Transfer::Kind::send,
                        .from = from,
                        .count = count,
                        .type = type,
                        .peer = peer,
                        .comm = comm},
                       stream, "ncclSend");
  });
}

LOCKFLIGHT_API ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer,
                                     ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, [&](Nccl& library) {
    return communicate(library,
                       {.kind = Transfer::Kind::receive,
                        .to = to,
                        .count = count,
                        .type = type,
                        .peer = peer,
                        .comm = comm},
                       stream, "ncclRecv");
  });
}

LOCKFLIGHT_API ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count,
                                          ncclDataType_t type, ncclRedOp_t reduction,
                                          ncclComm_t comm, cudaStream_t stream) {
  return call(__func__, [&](Nccl& library) {
    return communicate(library,
                       {.kind = Transfer::Kind::all_reduce,
                        .from = from,
                        .to = to,
                        .count = count,
                        .type = type,
                        .reduction = reduction,
                        .comm = comm},
                       stream, "ncclAllReduce");
  });
}

LOCKFLIGHT_API ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count,
                                          ncclDataType_t type, ncclComm_t comm,
                                          cudaStream_t stream) {
  return call(__func__, [&](Nccl& library) {
    return communicate(library,
                       {.kind = Transfer::Kind::all_gather,
                        .from = from,
                        .to = to,
                        .count = count,
                        .type = type,
                        .comm = comm},
                       stream, "ncclAllGather");
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommRegister(const ncclComm_t comm, void* buffer, std::size_t bytes,
                                             void** handle) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t ready = virtual_gpu::check_ready(library, comm, "ncclCommRegister");
    if (ready != ncclSuccess) {
      return ready;
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer);
    if (library.machine.memory.space_of(buffer) != comm->device ||
        library.machine.memory.trouble(begin, begin + bytes)) {
      return virtual_gpu::report(
          ncclInvalidArgument, "wrong device",
          fmt::format("ncclCommRegister ({}): {} bytes at {} are no memory of device {}",
                      Communicators::describe(*comm), bytes, buffer, comm->device));
    }
    *handle = new char;
    library.registered.insert(*handle);
    return ncclSuccess;
  });
}

LOCKFLIGHT_API ncclResult_t ncclCommDeregister(const ncclComm_t comm, void* handle) {
  return call(__func__, [&](Nccl& library) {
    const ncclResult_t alive = virtual_gpu::check_alive(library, comm, "ncclCommDeregister");
    if (alive != ncclSuccess) {
      return alive;
    }
    if (library.registered.erase(handle) == 0) {
      return virtual_gpu::report(ncclInvalidArgument, "bad handle",
                                 "ncclCommDeregister of what is not registered");
    }
    delete static_cast<char*>(handle);
    return ncclSuccess;
  });
}
