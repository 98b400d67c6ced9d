#include "virtual_gpu/nccl/transfer.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "virtual_gpu/nccl/rendezvous.h"

namespace virtual_gpu {
namespace {

using TransferPointer = std::shared_ptr<Transfer>;

struct TypeName {
  ncclDataType_t type;
  const char* name;
  std::size_t bytes;
};
constexpr TypeName kTypes[] = {
    {ncclInt8, "int8", 1},         {ncclUint8, "uint8", 1},     {ncclInt32, "int32", 4},
    {ncclUint32, "uint32", 4},     {ncclInt64, "int64", 8},     {ncclUint64, "uint64", 8},
    {ncclFloat16, "float16", 2},   {ncclFloat32, "float32", 4}, {ncclFloat64, "float64", 8},
    {ncclBfloat16, "bfloat16", 2},
};

const char* name_of(ncclDataType_t type) {
  const auto* found = std::ranges::find(kTypes, type, &TypeName::type);
  return found == std::end(kTypes) ? "unknown type" : found->name;
}

const char* name_of(Transfer::Kind kind) {
  switch (kind) {
    case Transfer::Kind::send:
      return "ncclSend";
    case Transfer::Kind::receive:
      return "ncclRecv";
    case Transfer::Kind::all_reduce:
      return "ncclAllReduce";
    case Transfer::Kind::all_gather:
      break;
  }
  return "ncclAllGather";
}

void check_accesses(const Launch& launch) {
  for (const TransferPointer& t : launch.transfers) {
    if (t->withdrawn) {
      continue;
    }
    const std::size_t ranks =
        t->kind == Transfer::Kind::all_gather ? t->comm->clique->members.size() : 1;
    if (t->from != nullptr) {
      launch.machine.check(*launch.operation, {.begin = t->from, .bytes = t->bytes()});
    }
    if (t->to != nullptr) {
      launch.machine.check(*launch.operation,
                           {.begin = t->to, .bytes = t->bytes() * ranks, .writes = true});
    }
  }
}

std::string waits_for(const Launch& launch) {
  std::string text;
  for (const TransferPointer& t : launch.transfers) {
    if (!t->over) {
      const char* partner = t->kind == Transfer::Kind::send      ? "a matching ncclRecv"
                            : t->kind == Transfer::Kind::receive ? "a matching ncclSend"
                                                                 : "the other ranks";
      text += fmt::format("{}{} for {}", text.empty() ? "" : ", ", partner, describe(*t));
    }
  }
  return text;
}

std::shared_ptr<Launch> make_launch(Machine& machine,
                                    const std::vector<TransferPointer>& transfers) {
  auto launch = std::make_shared<Launch>(
      Launch{.machine = machine, .transfers = transfers, .open = transfers.size(), .begin = {}});
  for (const TransferPointer& transfer : transfers) {
    transfer->launch = launch;
    auto& open = transfer->comm->transfers;
    std::erase_if(open, [](const std::weak_ptr<Transfer>& t) { return t.expired(); });
    open.push_back(transfer);
  }
  return launch;
}

Operation make_operation(const std::shared_ptr<Launch>& launch);

// What a graph enqueues: the same transfers once more.
Operation make_again(Machine& machine, const std::vector<TransferPointer>& transfers) {
  std::vector<TransferPointer> copies;
  for (const TransferPointer& transfer : transfers) {
    copies.push_back(std::make_shared<Transfer>(*transfer));
  }
  return make_operation(make_launch(machine, copies));
}

Operation make_operation(const std::shared_ptr<Launch>& launch) {
  const auto& transfers = launch->transfers;
  ncclComm* const comm = transfers[0]->comm;
  Operation operation{.name = intern(transfers.size() == 1
                                         ? describe(*transfers[0])
                                         : fmt::format("group of {} with {}", transfers.size(),
                                                       describe(*transfers[0])))};
  operation.start = [launch](Operation& self) {
    launch->operation = &self;
    launch->begin = self.clock;
    for (const TransferPointer& transfer : launch->transfers) {
      if (!transfer->withdrawn) {
        post(launch->machine, transfer);
      }
    }
  };
  operation.ready = [launch](const Operation&) { return launch->open == 0; };
  operation.run = [launch](const Operation&) { check_accesses(*launch); };
  operation.waits_for = [launch] { return waits_for(*launch); };
  operation.again = [&machine = launch->machine, transfers] {
    return make_again(machine, transfers);
  };
  operation.holds = comm;
  operation.enqueued = [comm](const OperationPointer& self) { comm->last = self; };
  if (comm->last) {
    operation.behind.push_back(comm->last);
  }
  return operation;
}

// The streams of a communicator's calls meet in its operation, and go on after it.
void enqueue(Machine& machine, const std::shared_ptr<Launch>& launch) {
  Operation operation = make_operation(launch);
  Stream& first = *launch->transfers[0]->stream;
  std::vector<Stream*> others;
  for (const TransferPointer& transfer : launch->transfers) {
    if (transfer->stream != &first && std::ranges::find(others, transfer->stream) == others.end()) {
      others.push_back(transfer->stream);
      if (transfer->stream->last) {
        operation.after.push_back(transfer->stream->last);
      }
    }
  }
  if (first.captured && !others.empty()) {
    machine.report("unsupported", "several streams in one group of NCCL that is captured");
  }
  const OperationPointer enqueued = machine.scheduler.enqueue(first, std::move(operation));
  for (Stream* other : others) {
    machine.scheduler.enqueue(*other, {.name = intern("wait for NCCL"), .after = {enqueued}});
  }
}

}  // namespace

std::size_t size_of(ncclDataType_t type) {
  const auto* found = std::ranges::find(kTypes, type, &TypeName::type);
  return found == std::end(kTypes) ? 0 : found->bytes;
}

std::size_t Transfer::bytes() const { return count * size_of(type); }

std::string describe(const Transfer& t) {
  const std::string peer =
      !t.point_to_point()
          ? ""
          : fmt::format(", {} rank {}", t.kind == Transfer::Kind::send ? "to" : "from", t.peer);
  return fmt::format("{} ({}{}, {} {})", name_of(t.kind), Communicators::describe(*t.comm), peer,
                     t.count, name_of(t.type));
}

Group::Group(std::vector<std::shared_ptr<Transfer>> transfers) : transfers_(std::move(transfers)) {
  for (const TransferPointer& t : transfers_) {
    t->comm->clique->connecting.insert({connection(*t), t->comm->rank});
    ++t->comm->unsubmitted;
  }
}

bool Group::connected() const {
  return std::ranges::all_of(transfers_, [](const TransferPointer& t) {
    const auto& connecting = t->comm->clique->connecting;
    if (t->point_to_point()) {
      return connecting.contains({connection(*t), t->peer});
    }
    for (int rank = 0; rank < static_cast<int>(t->comm->clique->members.size()); ++rank) {
      if (!connecting.contains({connection(*t), rank})) {
        return false;
      }
    }
    return true;
  });
}

void Group::drop() const {
  for (const TransferPointer& t : transfers_) {
    --t->comm->unsubmitted;
  }
}

bool Group::has(const ncclComm* comm) const {
  return std::ranges::any_of(transfers_, [comm](const auto& t) { return t->comm == comm; });
}

std::string Group::waits_for() const {
  return fmt::format("the other end of the connection for {}", describe(*transfers_[0]));
}

void Group::submit(Machine& machine) {
  std::vector<ncclComm*> comms;
  std::map<ncclComm*, std::vector<TransferPointer>> by_comm;
  for (const TransferPointer& transfer : transfers_) {
    if (by_comm[transfer->comm].empty()) {
      comms.push_back(transfer->comm);
    }
    by_comm[transfer->comm].push_back(transfer);
    --transfer->comm->unsubmitted;
  }
  for (ncclComm* comm : comms) {
    enqueue(machine, make_launch(machine, by_comm[comm]));
  }
}

}  // namespace virtual_gpu
