#include "virtual_gpu/nccl/rendezvous.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <vector>

#include "virtual_gpu/nccl/reduce.h"

namespace virtual_gpu {
namespace {

using TransferPointer = std::shared_ptr<Transfer>;

void end(const TransferPointer& transfer) {
  transfer->over = true;
  if (const auto launch = transfer->launch.lock()) {
    --launch->open;
  }
}

// Drops what belongs to operations that were abandoned.
void clean(std::deque<TransferPointer>& queue) {
  while (!queue.empty() && queue.front()->launch.expired()) {
    queue.pop_front();
  }
}

void match(Clique::Queue& queue) {
  for (;;) {
    clean(queue.sends);
    clean(queue.receives);
    if (queue.sends.empty() || queue.receives.empty()) {
      return;
    }
    const TransferPointer send = std::exchange(queue.sends.front(), nullptr);
    const TransferPointer receive = std::exchange(queue.receives.front(), nullptr);
    queue.sends.pop_front();
    queue.receives.pop_front();
    const auto from = send->launch.lock();
    const auto to = receive->launch.lock();
    if (send->count != receive->count || send->type != receive->type) {
      to->machine.report("nccl mismatch", describe(*send) + " meets " + describe(*receive));
    }
    std::memmove(receive->to, send->from, std::min(send->bytes(), receive->bytes()));
    to->operation->clock.join(from->begin);
    end(send);
    end(receive);
  }
}

bool same_collective(const Transfer& a, const Transfer& b) {
  return a.kind == b.kind && a.count == b.count && a.type == b.type &&
         (a.kind != Transfer::Kind::all_reduce || a.reduction == b.reduction);
}

// What each rank gets.  Into memory of its own first, because buffers may be in place.
std::vector<std::byte> result_of(Machine& machine, const std::vector<TransferPointer>& ranks) {
  const Transfer& first = *ranks[0];
  std::vector<const void*> from;
  for (const TransferPointer& rank : ranks) {
    from.push_back(rank->from);
  }
  if (first.kind == Transfer::Kind::all_reduce) {
    std::vector<std::byte> sum(first.bytes());
    if (!reduce(first.type, first.reduction, from, first.count, sum.data())) {
      machine.report("unsupported", describe(first) + ": this type or reduction is not emulated");
    }
    return sum;
  }
  std::vector<std::byte> all;
  for (const void* part : from) {
    const auto* bytes = static_cast<const std::byte*>(part);
    all.insert(all.end(), bytes, bytes + first.bytes());
  }
  return all;
}

void complete(Machine& machine, const std::vector<TransferPointer>& ranks) {
  if (std::ranges::any_of(ranks, [](const auto& rank) { return rank->launch.expired(); })) {
    return;  // of one rank the operation was abandoned
  }
  const std::vector<std::byte> result = result_of(machine, ranks);
  for (const TransferPointer& rank : ranks) {
    std::memcpy(rank->to, result.data(), result.size());
    for (const TransferPointer& other : ranks) {
      rank->launch.lock()->operation->clock.join(other->launch.lock()->begin);
    }
  }
  std::ranges::for_each(ranks, end);
}

void post_collective(Machine& machine, const TransferPointer& transfer) {
  Clique& clique = *transfer->comm->clique;
  const std::uint64_t number = transfer->comm->collectives++;
  Clique::Collective& collective = clique.collectives[number];
  for (const TransferPointer& other : collective.by_rank) {
    if (other && !same_collective(*other, *transfer)) {
      machine.report("nccl mismatch", describe(*other) + " meets " + describe(*transfer));
      return;  // nobody gets on from here: a deadlock, as with the real library
    }
  }
  collective.by_rank.resize(clique.members.size());
  collective.by_rank[transfer->comm->rank] = transfer;
  if (++collective.arrived == static_cast<int>(clique.members.size())) {
    const auto ranks = std::move(collective.by_rank);
    clique.collectives.erase(number);
    complete(machine, ranks);
  }
}

}  // namespace

std::pair<int, int> connection(const Transfer& t) {
  switch (t.kind) {
    case Transfer::Kind::send:
      return {t.comm->rank, t.peer};
    case Transfer::Kind::receive:
      return {t.peer, t.comm->rank};
    default:
      return {-1, -1};
  }
}

void post(Machine& machine, const TransferPointer& transfer) {
  if (!transfer->point_to_point()) {
    post_collective(machine, transfer);
    return;
  }
  Clique::Queue& queue = transfer->comm->clique->queues[connection(*transfer)];
  (transfer->kind == Transfer::Kind::send ? queue.sends : queue.receives).push_back(transfer);
  match(queue);
}

void withdraw(ncclComm& comm) {
  for (const std::weak_ptr<Transfer>& weak : comm.transfers) {
    const TransferPointer transfer = weak.lock();
    if (!transfer || transfer->over) {
      continue;
    }
    Clique& clique = *comm.clique;
    if (transfer->point_to_point()) {
      Clique::Queue& queue = clique.queues[connection(*transfer)];
      std::erase(queue.sends, transfer);
      std::erase(queue.receives, transfer);
    }
    for (auto& [number, collective] : clique.collectives) {
      std::ranges::replace(collective.by_rank, transfer, TransferPointer());
    }
    transfer->withdrawn = true;
    end(transfer);
  }
}

}  // namespace virtual_gpu
