#include "virtual_gpu/nccl/communicator.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace virtual_gpu {

std::string Communicators::make_id() { return fmt::format("virtual-{}", ++ids_); }

std::shared_ptr<Clique> Communicators::make_clique(std::size_t size) {
  auto clique = std::make_shared<Clique>();
  clique->number = ++cliques_;
  clique->members.resize(size);
  return clique;
}

// NCCL refuses two ranks on one device.
void Communicators::enter(ncclComm* comm, const std::shared_ptr<Clique>& clique, int rank) {
  const auto same = [comm](const ncclComm* c) { return c != nullptr && c->device == comm->device; };
  if (std::ranges::any_of(clique->members, same)) {
    clique->failed = ncclInvalidUsage;
  }
  comm->clique = clique;
  comm->rank = rank;
  clique->members[rank] = comm;
  ++clique->joined;
}

ncclComm* Communicators::join(const std::string& id, int size, int rank, int device, bool blocking,
                              std::string* why) {
  auto& clique = by_id_[id];
  if (!clique) {
    clique = make_clique(size);
  }
  if (static_cast<int>(clique->members.size()) != size) {
    *why = fmt::format("rank {} says {} ranks, others {}", rank, size, clique->members.size());
    return nullptr;
  }
  if (clique->members[rank] != nullptr) {
    *why = fmt::format("rank {} joins twice", rank);
    return nullptr;
  }
  auto* comm = new ncclComm{.device = device, .blocking = blocking};
  alive_.insert(comm);
  enter(comm, clique, rank);
  return comm;
}

ncclComm* Communicators::split(ncclComm* parent, int color, int key, bool blocking) {
  ncclComm* made = nullptr;
  if (color != NCCL_SPLIT_NOCOLOR) {
    made = new ncclComm{.device = parent->device, .blocking = blocking};
    alive_.insert(made);
  }
  Clique& clique = *parent->clique;
  auto& members = clique.splits[parent->splits];
  members.push_back({color, key, parent->rank, made});
  if (members.size() == clique.members.size()) {
    settle(members);
    clique.splits.erase(parent->splits);
  }
  ++parent->splits;
  return made;
}

// All have come: one clique for each color, ranks by key.
void Communicators::settle(std::vector<Clique::SplitMember>& members) {
  std::ranges::sort(members, [](const Clique::SplitMember& a, const Clique::SplitMember& b) {
    return std::tie(a.color, a.key, a.rank) < std::tie(b.color, b.key, b.rank);
  });
  for (auto begin = members.begin(); begin != members.end();) {
    const auto end =
        std::find_if(begin, members.end(), [&](const auto& m) { return m.color != begin->color; });
    if (begin->color != NCCL_SPLIT_NOCOLOR) {
      const auto clique = make_clique(end - begin);
      for (auto member = begin; member != end; ++member) {
        enter(member->made, clique, static_cast<int>(member - begin));
      }
    }
    begin = end;
  }
}

void Communicators::destroy(ncclComm* comm) {
  alive_.erase(comm);
  if (comm->clique) {
    comm->clique->members[comm->rank] = nullptr;
  }
  delete comm;
}

ncclResult_t Communicators::state(const ncclComm& comm) {
  if (comm.error != ncclSuccess) {
    return comm.error;
  }
  if (!comm.clique) {
    return ncclInProgress;
  }
  if (comm.clique->failed != ncclSuccess) {
    return comm.clique->failed;
  }
  const bool complete = comm.clique->joined == static_cast<int>(comm.clique->members.size());
  const bool flushed = !comm.finalized || !comm.last || comm.last->ended();
  return complete && comm.unsubmitted == 0 && flushed ? ncclSuccess : ncclInProgress;
}

std::string Communicators::describe(const ncclComm& comm) {
  if (!comm.clique) {
    return "a communicator that is being split off";
  }
  return fmt::format("communicator {}, rank {} of {}", comm.clique->number, comm.rank,
                     comm.clique->members.size());
}

std::string Communicators::waits_for(const ncclComm& comm) {
  if (!comm.clique) {
    return "until all ranks have split";
  }
  if (comm.clique->joined < static_cast<int>(comm.clique->members.size())) {
    return fmt::format("for {} ranks to join",
                       static_cast<int>(comm.clique->members.size()) - comm.clique->joined);
  }
  return comm.unsubmitted > 0 ? "for the other end of a connection" : "for its operations";
}

}  // namespace virtual_gpu
