#include "comm/cuda/in_process.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/check_transfer.h"
#include "comm/staging.h"
#include "device/cuda/add.h"
#include "device/cuda/check.h"
#include "lockflight/core/error.h"

namespace lockflight::comm {
namespace {

constexpr std::size_t kChunkBytes = kCopiedChunkBytes;

}  // namespace

CudaHub::Channel& CudaHub::channel(const ChannelKey& key) {
  const std::scoped_lock lock(mutex_);
  return channels_[key];
}

CudaHub::Group& CudaHub::group(const std::vector<int>& members, int channel) {
  const std::scoped_lock lock(mutex_);
  Group& group = groups_[{members, channel}];
  group.posts.resize(members.size());
  return group;
}

std::string CudaHub::waiting(int rank) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> waiting;
  for (auto& [key, channel] : channels_) {
    const std::scoped_lock channel_lock(channel.mutex);
    for (const auto* posts : {&channel.senders, &channel.receivers}) {
      if (!posts->empty() && posts->front().rank == rank) {
        waiting.push_back(posts->front().what);
      }
    }
  }
  for (auto& [key, group] : groups_) {
    const std::scoped_lock group_lock(group.mutex);
    for (const auto& posts : group.posts) {
      if (!posts.empty() && posts.front().rank == rank) {
        waiting.push_back(posts.front().what);
      }
    }
  }
  return fmt::format("{}", fmt::join(waiting, "; "));
}

void CudaHub::abort(const std::string& reason) {
  const auto error = std::make_exception_ptr(AbortedError(reason));
  for (cuda::CudaDevice* device : devices_) {
    device->fail(error);
  }
}

CudaInProcessTransport::CudaInProcessTransport(std::shared_ptr<CudaHub> hub, int rank)
    : hub_(std::move(hub)), rank_(rank), device_(hub_->device(rank)) {
  device_.watch({.poll = [] {},
                 .idle = [this] { signals_.recycle(); },
                 .failed =
                     [this](const std::string& /*reason*/) {
                       signals_.open_all();
                       return true;
                     },
                 .waiting = [this] { return hub_->waiting(rank_); }});
}

void CudaInProcessTransport::connect(const Links& links) {
  for (const Links::Group& group : links.groups) {
    staging_of(hub_->group(group.members, group.channel));
  }
}

// Who comes second, and with which words, is found anew in every step.
std::string CudaInProcessTransport::why_no_graph() const {
  return ranks() == 1 ? ""
                      : "ranks that exchange data without NCCL meet on their hosts in every step; "
                        "give every rank a GPU of its own and use NCCL";
}

// Of every group its own: groups add up on different streams.
TensorView CudaInProcessTransport::staging_of(const CudaHub::Group& group) {
  Tensor& staging = staging_[&group];
  if (!staging) {
    staging = device_.empty({{static_cast<std::int64_t>(copied_staging_bytes() / sizeof(float))}});
  }
  return staging;
}

CudaPost CudaInProcessTransport::post(const TensorView& view, std::int32_t tag, std::string what) {
  return {.rank = rank_,
          .view = view,
          .tag = tag,
          .ready = signals_.take(),
          .done = signals_.take(),
          .what = std::move(what)};
}

void CudaInProcessTransport::first(cudaStream_t stream, const CudaPost& post) {
  cuda::set_signal(stream, post.ready);
  cuda::await_signal(stream, post.done);
}

void CudaInProcessTransport::second(cudaStream_t stream, const TensorView& mine,
                                    const CudaPost& partner, bool sends) {
  const cuda::CudaDevice& other = hub_->device(partner.rank);
  cuda::await_signal(stream, partner.ready);
  const TensorView& from = sends ? mine : partner.view;
  const TensorView& to = sends ? partner.view : mine;
  cuda::check(cudaMemcpyPeerAsync(to.data(), (sends ? other : device_).number(), from.data(),
                                  (sends ? device_ : other).number(), from.bytes(), stream),
              "cudaMemcpyPeerAsync");
  cuda::set_signal(stream, partner.done);
}

void CudaInProcessTransport::send(Stream& stream, const TensorView& from, const Route& route) {
  check_route("send", rank_, ranks(), route);
  meet(stream, from, route, true);
}

void CudaInProcessTransport::recv(Stream& stream, const TensorView& to, const Route& route) {
  check_route("recv", rank_, ranks(), route);
  meet(stream, to, route, false);
}

void CudaInProcessTransport::meet(Stream& stream, const TensorView& mine, const Route& route,
                                  bool sends) {
  cuda::Queue* queue = cuda::open_queue(stream);
  if (queue == nullptr) {
    return;
  }
  auto& channel =
      hub_->channel({sends ? rank_ : route.peer, sends ? route.peer : rank_, route.channel});
  const std::scoped_lock lock(channel.mutex);
  auto& partners = sends ? channel.receivers : channel.senders;
  if (partners.empty()) {
    auto& posts = sends ? channel.senders : channel.receivers;
    first(queue->stream(),
          posts.emplace_back(
              post(mine, route.tag,
                   fmt::format("{} of {} bytes {} rank {} on channel {} with tag {}",
                               sends ? "send" : "recv", mine.bytes(), sends ? "to" : "from",
                               route.peer, route.channel, route.tag))));
    return;
  }
  const CudaPost partner = std::move(partners.front());
  partners.pop_front();
  check_agreement(mine, partner, route, sends);
  second(queue->stream(), mine, partner, sends);
}

void CudaInProcessTransport::check_agreement(const TensorView& mine, const CudaPost& partner,
                                             const Route& route, bool sends) const {
  if (mine.spec() == partner.view.spec() && route.tag == partner.tag) {
    return;
  }
  const CudaPost me{.rank = rank_, .view = mine, .tag = route.tag};
  const CudaPost& sender = sends ? me : partner;
  const CudaPost& receiver = sends ? partner : me;
  const std::string message = fmt::format(
      "channel {}: rank {} sends {} with tag {}, rank {} expects {} with tag {}; both ends must "
      "use the channel in the same order",
      route.channel, sender.rank, to_string(sender.view.spec()), sender.tag, receiver.rank,
      to_string(receiver.view.spec()), receiver.tag);
  hub_->device(partner.rank).fail(std::make_exception_ptr(TransportError(message)));
  throw TransportError(message);
}

void CudaInProcessTransport::all_reduce(Stream& stream, const TensorView& values,
                                        const std::vector<int>& members, int channel) {
  check_members(values, rank_, ranks(), members);
  cuda::Queue* queue = cuda::open_queue(stream);
  if (queue == nullptr) {
    return;
  }
  auto& group = hub_->group(members, channel);
  const std::scoped_lock lock(group.mutex);
  const auto place = std::ranges::find(members, rank_) - members.begin();
  const std::size_t turn = group.posts[place].size();  // of this rank's sums that are under way
  for (const auto& theirs : group.posts) {
    if (theirs.size() > turn && theirs[turn].view.spec() != values.spec()) {
      const CudaPost& other = theirs[turn];
      const std::string message =
          fmt::format("all_reduce on channel {}: rank {} gives {}, rank {} gives {}", channel,
                      other.rank, to_string(other.view.spec()), rank_, to_string(values.spec()));
      hub_->device(other.rank).fail(std::make_exception_ptr(TransportError(message)));
      throw TransportError(message);
    }
  }
  const CudaPost& mine = group.posts[place].emplace_back(
      post(values, 0,
           fmt::format("all_reduce of {} bytes among ranks [{}] on channel {}", values.bytes(),
                       fmt::join(members, ", "), channel)));
  if (std::ranges::any_of(group.posts, &std::deque<CudaPost>::empty)) {
    first(queue->stream(), mine);
    return;
  }
  std::vector<CudaPost> posts;
  for (auto& theirs : group.posts) {
    posts.push_back(std::move(theirs.front()));
    theirs.pop_front();
  }
  add_up(*queue, staging_of(group), posts);
}

// Chunk by chunk: the sum of the members' values in their order, then back to all of them.
void CudaInProcessTransport::add_up(cuda::Queue& queue, const TensorView& staging,
                                    const std::vector<CudaPost>& posts) {
  const auto copy = [&](std::byte* to, const cuda::CudaDevice& to_device, const std::byte* from,
                        const cuda::CudaDevice& from_device, std::size_t bytes) {
    cuda::check(cudaMemcpyPeerAsync(to, to_device.number(), from, from_device.number(), bytes,
                                    queue.stream()),
                "cudaMemcpyPeerAsync");
  };
  for (const auto& post : posts) {
    if (post.rank != rank_) {
      cuda::await_signal(queue.stream(), post.ready);
    }
  }
  const TensorView& values = posts.front().view;
  const std::size_t element = size_of(values.dtype());
  std::byte* sum = staging.data();
  std::byte* term = sum + kChunkBytes;
  for (std::size_t begin = 0; begin < values.bytes(); begin += kChunkBytes) {
    const std::size_t bytes = std::min(kChunkBytes, values.bytes() - begin);
    const TensorSpec chunk{{static_cast<std::int64_t>(bytes / element)}, values.dtype()};
    for (const auto& post : posts) {
      const bool is_first = &post == &posts.front();
      copy(is_first ? sum : term, device_, post.view.data() + begin, hub_->device(post.rank),
           bytes);
      if (!is_first) {
        cuda::add(queue, TensorView(sum, chunk), TensorView(term, chunk));
      }
    }
    for (const auto& post : posts) {
      copy(post.view.data() + begin, hub_->device(post.rank), sum, device_, bytes);
    }
  }
  for (const auto& post : posts) {
    if (post.rank != rank_) {
      cuda::set_signal(queue.stream(), post.done);
    }
  }
}

}  // namespace lockflight::comm
