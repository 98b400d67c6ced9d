// NCCL's communicators: who belongs to them, and when all have come.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nccl.h>

#include "virtual_gpu/machine/operation.h"

namespace virtual_gpu {

struct Transfer;

/// The ranks that share an id.
struct Clique {
  int number;                      ///< as reports call it
  std::vector<ncclComm*> members;  ///< by rank; nullptr: has not come, or has left
  int joined = 0;
  ncclResult_t failed = ncclSuccess;

  struct Queue {
    std::deque<std::shared_ptr<Transfer>> sends, receives;
  };
  std::map<std::pair<int, int>, Queue> queues;  ///< by sender and receiver
  struct Collective {
    std::vector<std::shared_ptr<Transfer>> by_rank;
    int arrived = 0;
  };
  std::map<std::uint64_t, Collective> collectives;  ///< by number on the communicator

  /// Which rank has come to set up which connection: NCCL makes them at first use, and both ends
  /// have to take part.  A connection is a pair of sender and receiver; (-1, -1) stands for that of
  /// all ranks.
  std::set<std::pair<std::pair<int, int>, int>> connecting;

  struct SplitMember {
    int color, key, rank;
    ncclComm* made;
  };
  std::map<std::uint64_t, std::vector<SplitMember>> splits;  ///< under way, by number
};

}  // namespace virtual_gpu

/// One rank's handle.
struct ncclComm {
  std::shared_ptr<virtual_gpu::Clique> clique;  ///< nullptr while a split is under way
  int rank = 0;
  int device = 0;
  bool blocking = true;
  ncclResult_t error = ncclSuccess;  ///< the first asynchronous one
  int unsubmitted = 0;               ///< groups that were ended and are not on their streams yet
  bool finalized = false;
  std::uint64_t collectives = 0;
  std::uint64_t splits = 0;
  virtual_gpu::OperationPointer last;  ///< operations of a communicator run one after the other
  std::vector<std::weak_ptr<virtual_gpu::Transfer>> transfers;  ///< not all over yet
};

namespace virtual_gpu {

class Communicators {
 public:
  std::string make_id();
  /// Joins the clique of that id.  nullptr, with `why`: it cannot be a member.
  ncclComm* join(const std::string& id, int size, int rank, int device, bool blocking,
                 std::string* why);
  /// Takes part in a split.
  ncclComm* split(ncclComm* parent, int color, int key, bool blocking);
  bool alive(const ncclComm* comm) const { return alive_.contains(const_cast<ncclComm*>(comm)); }
  void destroy(ncclComm* comm);
  const std::set<ncclComm*>& all() const { return alive_; }

  /// ncclSuccess, ncclInProgress or an error.
  static ncclResult_t state(const ncclComm& comm);
  /// "communicator 2, rank 1 of 4".
  static std::string describe(const ncclComm& comm);
  /// What a communicator that is in progress waits for.
  static std::string waits_for(const ncclComm& comm);

 private:
  std::shared_ptr<Clique> make_clique(std::size_t size);
  void settle(std::vector<Clique::SplitMember>& members);
  static void enter(ncclComm* comm, const std::shared_ptr<Clique>& clique, int rank);

  int ids_ = 0;
  int cliques_ = 0;
  std::map<std::string, std::shared_ptr<Clique>> by_id_;
  std::set<ncclComm*> alive_;
};

}  // namespace virtual_gpu
