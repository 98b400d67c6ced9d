// The transport between ranks that are threads of one process: a rendezvous without a buffer.
//
// A send or receive is a task that posts itself and is done when its partner has come.  Whoever
// comes second copies, straight from the sender's bytes to the receiver's.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lockflight/comm/transport.h"

namespace lockflight::comm {

/// One end of a transfer.
struct Post {
  int rank;
  Device& device;
  TensorView view;
  std::int32_t tag;
  bool posted = false;  // touched by the owner's runner only
  std::atomic<bool> done{false};
};

/// Where the ranks of a process meet.
class Hub {
 public:
  /// The devices of the ranks, in order.  They must outlive the hub's use.
  explicit Hub(std::vector<Device*> devices) : devices_(std::move(devices)) {}

  int ranks() const { return static_cast<int>(devices_.size()); }
  Device& device(int rank) const { return *devices_[rank]; }

  /// Try to meet the partner.  True when the bytes have been copied.  Throws TransportError if the
  /// two ends do not agree; the partner's device fails with the same.
  bool try_send(const std::shared_ptr<Post>& post, const Route& route);
  bool try_recv(const std::shared_ptr<Post>& post, const Route& route);
  bool try_all_reduce(const std::shared_ptr<Post>& post, const std::vector<int>& members,
                      int channel);

  void abort(const std::string& reason);

 private:
  // Posts that wait on a channel from one rank to another.  One of the two queues is always empty.
  struct Channel {
    std::mutex mutex;
    std::deque<std::shared_ptr<Post>> senders;
    std::deque<std::shared_ptr<Post>> receivers;
  };
  // The posts of the round of an all-reduce that is under way, by member.
  struct Group {
    std::mutex mutex;
    std::vector<std::shared_ptr<Post>> posts;
  };
  struct ChannelKey {
    int from;
    int to;
    int channel;
    friend auto operator<=>(const ChannelKey&, const ChannelKey&) = default;
  };

  Channel& channel(const ChannelKey& key);
  Group& group(const std::vector<int>& members, int channel);
  static bool meet(Channel& channel, const std::shared_ptr<Post>& post, bool sends, int number);

  const std::vector<Device*> devices_;
  std::mutex mutex_;
  std::map<ChannelKey, Channel> channels_;  // guarded by mutex_; elements stay in place
  std::map<std::pair<std::vector<int>, int>, Group> groups_;  // likewise
};

class InProcessTransport final : public Transport {
 public:
  InProcessTransport(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  int rank() const override { return rank_; }
  int ranks() const override { return hub_->ranks(); }
  void connect(const Links& /*links*/) override {}
  void send(Stream& stream, const TensorView& from, const Route& route) override;
  void recv(Stream& stream, const TensorView& to, const Route& route) override;
  void all_reduce(Stream& stream, const TensorView& values, const std::vector<int>& members,
                  int channel) override;
  void abort(const std::string& reason) override { hub_->abort(reason); }

 private:
  std::shared_ptr<Post> post(const TensorView& view, std::int32_t tag) const;

  std::shared_ptr<Hub> hub_;
  int rank_;
};

}  // namespace lockflight::comm
