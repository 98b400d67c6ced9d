// The rendezvous between ranks of one process whose devices are GPUs, or one GPU.
//
// Who comes second copies, on its own stream, straight from the sender's bytes to the receiver's.
// The first one's stream waits for that: its host leaves two words, one that its stream sets when
// it has come so far, one that it waits for until the copy is done (device/cuda/signals.h).  No
// host waits.
//
//   first:    set ready, await done
//   second:   await ready, copy, set done

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "device/cuda/cuda_device.h"
#include "device/cuda/signals.h"
#include "lockflight/comm/transport.h"

namespace lockflight::comm {

/// One end of a transfer whose partner has not come yet.
struct CudaPost {
  int rank = 0;
  TensorView view;
  std::int32_t tag = 0;
  std::uint32_t* ready = nullptr;
  std::uint32_t* done = nullptr;
  std::string what;  ///< for reports
};

/// Where the ranks of a process meet.
class CudaHub {
 public:
  /// The devices of the ranks, in order.  They must outlive the hub's use.
  explicit CudaHub(std::vector<cuda::CudaDevice*> devices) : devices_(std::move(devices)) {}

  int ranks() const { return static_cast<int>(devices_.size()); }
  cuda::CudaDevice& device(int rank) const { return *devices_[rank]; }

  struct ChannelKey {
    int from;
    int to;
    int channel;
    friend auto operator<=>(const ChannelKey&, const ChannelKey&) = default;
  };
  struct Channel {
    std::mutex mutex;  // held while a transfer of the channel is enqueued, so that the order is one
    std::deque<CudaPost> senders;  // one of the two is always empty
    std::deque<CudaPost> receivers;
  };
  struct Group {
    std::mutex mutex;
    std::vector<std::deque<CudaPost>> posts;  // by member, those of the round under way first
  };

  Channel& channel(const ChannelKey& key);
  Group& group(const std::vector<int>& members, int channel);
  /// The posts of a rank that nobody has answered, one after another.
  std::string waiting(int rank);
  void abort(const std::string& reason);

 private:
  const std::vector<cuda::CudaDevice*> devices_;
  std::mutex mutex_;
  std::map<ChannelKey, Channel> channels_;  // guarded by mutex_; elements stay in place
  std::map<std::pair<std::vector<int>, int>, Group> groups_;  // likewise
};

class CudaInProcessTransport final : public Transport {
 public:
  CudaInProcessTransport(std::shared_ptr<CudaHub> hub, int rank);

  int rank() const override { return rank_; }
  int ranks() const override { return hub_->ranks(); }
  void send(Stream& stream, const TensorView& from, const Route& route) override;
  void recv(Stream& stream, const TensorView& to, const Route& route) override;
  void all_reduce(Stream& stream, const TensorView& values, const std::vector<int>& members,
                  int channel) override;
  void connect(const Links& links) override;
  std::string why_no_graph() const override;
  void abort(const std::string& reason) override { hub_->abort(reason); }

 private:
  CudaPost post(const TensorView& view, std::int32_t tag, std::string what);
  void meet(Stream& stream, const TensorView& mine, const Route& route, bool sends);
  void check_agreement(const TensorView& mine, const CudaPost& partner, const Route& route,
                       bool sends) const;
  static void first(cudaStream_t stream, const CudaPost& post);
  void second(cudaStream_t stream, const TensorView& mine, const CudaPost& partner, bool sends);
  void add_up(cuda::Queue& queue, const TensorView& staging, const std::vector<CudaPost>& posts);
  TensorView staging_of(const CudaHub::Group& group);

  std::shared_ptr<CudaHub> hub_;
  int rank_;
  cuda::CudaDevice& device_;
  cuda::Signals signals_;
  std::map<const CudaHub::Group*, Tensor> staging_;  // two chunks of an all_reduce
};

}  // namespace lockflight::comm
