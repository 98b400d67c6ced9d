// Transfers by NCCL: one communicator of two ranks for every directed edge between stages, one for
// every group that adds up; all made, and connected by one exchange, before the first step.
//
// NCCL allows several communicators at work on one device at the same time as long as all their
// kernels find room: hence few processors for each.  A transfer waits only for its partner, and
// everything else is ordered by the program that was proved.

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "comm/nccl/communicator.h"
#include "lockflight/comm/transport.h"

namespace lockflight::comm {

/// Who shares a communicator: ranks, ascending, and which one of theirs.
using CommunicatorKey = std::pair<std::vector<int>, int>;

/// What the ranks of one process share: the identities of their communicators, and their common
/// end.
class NcclMeeting {
 public:
  /// The devices of the ranks, in order: each another GPU.  They must outlive the use of the
  /// meeting, but not its end.
  explicit NcclMeeting(std::vector<cuda::CudaDevice*> devices);
  NcclMeeting(const NcclMeeting&) = delete;
  NcclMeeting& operator=(const NcclMeeting&) = delete;

  int ranks() const { return static_cast<int>(devices_.size()); }
  cuda::CudaDevice& device(int rank) const { return *devices_[rank]; }
  /// The same for everybody who asks with that key.
  ncclUniqueId id(const CommunicatorKey& key);
  void abort(const std::string& reason);

 private:
  const std::vector<cuda::CudaDevice*> devices_;
  std::mutex mutex_;
  std::map<CommunicatorKey, ncclUniqueId> ids_;  // guarded by mutex_
};

class NcclTransport final : public Transport {
 public:
  NcclTransport(std::shared_ptr<NcclMeeting> meeting, int rank, std::chrono::milliseconds deadline);

  int rank() const override { return rank_; }
  int ranks() const override { return meeting_->ranks(); }
  void connect(const Links& links) override;
  void send(Stream& stream, const TensorView& from, const Route& route) override;
  void recv(Stream& stream, const TensorView& to, const Route& route) override;
  /// Two members add up in NCCL, where the order of two cannot matter; more gather all values and
  /// add them up in order.
  void all_reduce(Stream& stream, const TensorView& values, const std::vector<int>& members,
                  int channel) override;
  void abort(const std::string& reason) override { meeting_->abort(reason); }

  /// Ends all communicators in an orderly way; all ranks must do so at the same time.
  void close() noexcept;

 private:
  struct Connection {
    std::unique_ptr<Communicator> communicator;
    Tensor staging;  // of a group of more than two: a chunk of every member
  };

  Connection& connection(const std::vector<int>& members, int channel);
  void open(const CommunicatorKey& key);
  void exchange(const Links& links);
  bool end_transfers();
  void gather_and_add(cuda::Queue& queue, const TensorView& values, Connection& connection);

  std::shared_ptr<NcclMeeting> meeting_;
  const int rank_;
  const std::chrono::milliseconds deadline_;
  cuda::CudaDevice& device_;
  std::map<CommunicatorKey, Connection> connections_;
};

}  // namespace lockflight::comm
