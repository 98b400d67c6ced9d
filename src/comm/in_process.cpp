#include "comm/in_process.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/check_transfer.h"
#include "device/cpu/cpu_device.h"
#include "lockflight/core/error.h"

namespace lockflight::comm {
namespace {

void complete(Post& post) {
  Device& device = post.device;  // once done is set, the post may go
  post.done.store(true, std::memory_order_release);
  static_cast<cpu::CpuDevice&>(device).doorbell().ring();
}

[[noreturn]] void fail_both(Post& partner, const std::string& message) {
  partner.device.fail(std::make_exception_ptr(TransportError(message)));
  throw TransportError(message);
}

void copy(const Post& sender, const Post& receiver, Post& partner, int channel) {
  if (sender.view.spec() != receiver.view.spec() || sender.tag != receiver.tag) {
    fail_both(partner,
              fmt::format(
                  "channel {}: rank {} sends {} with tag {}, rank {} expects {} with tag {}; both "
                  "ends must use the channel in the same order",
                  channel, sender.rank, to_string(sender.view.spec()), sender.tag, receiver.rank,
                  to_string(receiver.view.spec()), receiver.tag));
  }
  std::memcpy(receiver.view.data(), sender.view.data(), sender.view.bytes());
}

template <typename T>
void add_up(const std::vector<std::shared_ptr<Post>>& posts) {
  const std::int64_t elements = posts.front()->view.elements();
  for (std::int64_t i = 0; i < elements; ++i) {
    T sum = posts.front()->view.as<T>()[i];
    for (std::size_t member = 1; member < posts.size(); ++member) {
      sum += posts[member]->view.as<T>()[i];
    }
    for (const auto& post : posts) {
      post->view.as<T>()[i] = sum;
    }
  }
}

}  // namespace

Hub::Channel& Hub::channel(const ChannelKey& key) {
  const std::scoped_lock lock(mutex_);
  return channels_[key];
}

Hub::Group& Hub::group(const std::vector<int>& members, int channel) {
  const std::scoped_lock lock(mutex_);
  Group& group = groups_[{members, channel}];
  group.posts.resize(members.size());
  return group;
}

bool Hub::meet(Channel& channel, const std::shared_ptr<Post>& post, bool sends, int number) {
  if (post->posted) {
    return post->done.load(std::memory_order_acquire);
  }
  std::shared_ptr<Post> partner;
  {
    const std::scoped_lock lock(channel.mutex);
    auto& partners = sends ? channel.receivers : channel.senders;
    if (partners.empty()) {
      (sends ? channel.senders : channel.receivers).push_back(post);
      post->posted = true;
      return false;
    }
    partner = std::move(partners.front());
    partners.pop_front();
  }
  if (sends) {
    copy(*post, *partner, *partner, number);
  } else {
    copy(*partner, *post, *partner, number);
  }
  complete(*partner);
  return true;
}

bool Hub::try_send(const std::shared_ptr<Post>& post, const Route& route) {
  return meet(channel({post->rank, route.peer, route.channel}), post, true, route.channel);
}

bool Hub::try_recv(const std::shared_ptr<Post>& post, const Route& route) {
  return meet(channel({route.peer, post->rank, route.channel}), post, false, route.channel);
}

bool Hub::try_all_reduce(const std::shared_ptr<Post>& post, const std::vector<int>& members,
                         int channel) {
  if (post->posted) {
    return post->done.load(std::memory_order_acquire);
  }
  Group& group = this->group(members, channel);
  const std::scoped_lock lock(group.mutex);
  const auto place = std::ranges::find(members, post->rank) - members.begin();
  for (const auto& other : group.posts) {
    if (other && other->view.spec() != post->view.spec()) {
      fail_both(*other, fmt::format("all_reduce on channel {}: rank {} gives {}, rank {} gives {}",
                                    channel, other->rank, to_string(other->view.spec()), post->rank,
                                    to_string(post->view.spec())));
    }
  }
  group.posts[place] = post;
  post->posted = true;
  if (std::ranges::any_of(group.posts, [](const auto& other) { return other == nullptr; })) {
    return false;
  }
  const auto posts = std::exchange(group.posts, std::vector<std::shared_ptr<Post>>(members.size()));
  post->view.dtype() == DType::f64 ? add_up<double>(posts) : add_up<float>(posts);
  for (const auto& other : posts) {
    if (other != post) {
      complete(*other);
    }
  }
  return true;
}

void Hub::abort(const std::string& reason) {
  const auto error = std::make_exception_ptr(AbortedError(reason));
  for (Device* device : devices_) {
    device->fail(error);
  }
}

std::shared_ptr<Post> InProcessTransport::post(const TensorView& view, std::int32_t tag) const {
  // Not make_shared: clang 14 cannot make an aggregate from arguments in parentheses.
  return std::shared_ptr<Post>(new Post{rank_, hub_->device(rank_), view, tag});
}

void InProcessTransport::send(Stream& stream, const TensorView& from, const Route& route) {
  check_route("send", rank_, ranks(), route);
  static_cast<cpu::CpuStream&>(stream).enqueue(
      cpu::Transfer{[hub = hub_.get(), post = post(from, route.tag), route] {
                      return hub->try_send(post, route);
                    },
                    [from, route] {
                      return fmt::format("send of {} bytes to rank {} on channel {} with tag {}",
                                         from.bytes(), route.peer, route.channel, route.tag);
                    }});
}

void InProcessTransport::recv(Stream& stream, const TensorView& to, const Route& route) {
  check_route("recv", rank_, ranks(), route);
  static_cast<cpu::CpuStream&>(stream).enqueue(cpu::Transfer{
      [hub = hub_.get(), post = post(to, route.tag), route] { return hub->try_recv(post, route); },
      [to, route] {
        return fmt::format("recv of {} bytes from rank {} on channel {} with tag {}", to.bytes(),
                           route.peer, route.channel, route.tag);
      }});
}

void InProcessTransport::all_reduce(Stream& stream, const TensorView& values,
                                    const std::vector<int>& members, int channel) {
  check_members(values, rank_, ranks(), members);
  static_cast<cpu::CpuStream&>(stream).enqueue(
      cpu::Transfer{[hub = hub_.get(), post = post(values, 0), members, channel] {
                      return hub->try_all_reduce(post, members, channel);
                    },
                    [bytes = values.bytes(), members, channel] {
                      return fmt::format("all_reduce of {} bytes among ranks [{}] on channel {}",
                                         bytes, fmt::join(members, ", "), channel);
                    }});
}

}  // namespace lockflight::comm
