#include "comm/nccl/nccl_transport.h"

#include <algorithm>
#include <future>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/check_transfer.h"
#include "device/cuda/add.h"
#include "device/cuda/check.h"
#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"

namespace lockflight {
namespace comm {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return ncclFloat32;
    case DType::bf16:
      return ncclBfloat16;
    case DType::f64:
      return ncclFloat64;
    case DType::i32:
      return ncclInt32;
  }
  return ncclUint8;
}

std::vector<int> pair_of(int rank, int peer) {
  const auto [low, high] = std::minmax(rank, peer);
  return {low, high};
}

}  // namespace

NcclMeeting::NcclMeeting(std::vector<cuda::CudaDevice*> devices) : devices_(std::move(devices)) {}

ncclUniqueId NcclMeeting::id(const CommunicatorKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto [place, is_new] = ids_.try_emplace(key);
  if (is_new) {
    const ncclResult_t result = ncclGetUniqueId(&place->second);
    if (result != ncclSuccess) {
      ids_.erase(place);
      throw TransportError(
          fmt::format("nccl: ncclGetUniqueId failed: {}", ncclGetErrorString(result)));
    }
  }
  return place->second;
}

void NcclMeeting::abort(const std::string& reason) {
  const auto error = std::make_exception_ptr(AbortedError(reason));
  for (cuda::CudaDevice* device : devices_) {
    device->fail(error);
  }
}

NcclTransport::NcclTransport(std::shared_ptr<NcclMeeting> meeting, int rank,
                             std::chrono::milliseconds deadline)
    : meeting_(std::move(meeting)),
      rank_(rank),
      deadline_(deadline),
      device_(meeting_->device(rank)) {
  device_.watch({.poll =
                     [this] {
                       for (auto& [key, connection] : connections_) {
                         connection.communicator->poll();
                       }
                     },
                 .idle = [] {},
                 .failed =
                     [this](const std::string& reason) {
                       meeting_->abort(fmt::format("rank {} failed: {}", rank_, reason));
                       return end_transfers();
                     },
                 .waiting = [] { return std::string("a transfer by NCCL"); }});
}

// The others have been told before, and all communicators end at the same time: to come back,
// NCCL's abort may need the same of its peers, and that no other communicator keeps the GPU busy.
bool NcclTransport::end_transfers() {
  std::vector<std::future<void>> aborts;
  for (auto& [key, connection] : connections_) {
    aborts.push_back(connection.communicator->begin_abort());
  }
  const auto until = Communicator::abort_deadline(deadline_);
  bool ended = true;
  for (const std::future<void>& abort : aborts) {
    ended = Communicator::await_abort(abort, until) && ended;
  }
  return ended;
}

// All ranks open what they share in one order, that of the keys, so nobody waits in a circle.
void NcclTransport::connect(const Links& links) {
  std::set<CommunicatorKey> keys;
  for (const Links::Edge& edge : links.edges) {
    keys.insert({pair_of(rank_, edge.peer), edge.channel});
  }
  for (const Links::Group& group : links.groups) {
    if (group.members.size() > 1) {
      keys.insert({group.members, group.channel});
    }
  }
  device_.make_current();
  for (const CommunicatorKey& key : keys) {
    if (!connections_.contains(key)) {
      open(key);
    }
  }
  exchange(links);
}

void NcclTransport::open(const CommunicatorKey& key) {
  const std::vector<int>& members = key.first;
  const auto place = static_cast<int>(std::ranges::find(members, rank_) - members.begin());
  Connection connection{.communicator = std::make_unique<Communicator>(device_, meeting_->id(key),
                                                                       members, place, deadline_)};
  for (const std::span<std::byte> memory : device_.slabs()) {
    connection.communicator->register_memory(memory);
  }
  if (members.size() > 2) {
    const std::size_t bytes = kChunkBytes * members.size();
    connection.staging = device_.empty({{static_cast<std::int64_t>(bytes / sizeof(float))}});
  }
  connections_.emplace(key, std::move(connection));
}

// NCCL connects two ranks at their first transfer; better now than within a step.
void NcclTransport::exchange(const Links& links) {
  std::map<CommunicatorKey, const Links::Edge*> edges;
  for (const Links::Edge& edge : links.edges) {
    edges[{pair_of(rank_, edge.peer), edge.channel}] = &edge;
  }
  const Tensor number = device_.empty({{1}});
  const auto stream = device_.make_stream(StreamRole::transfer);
  const float zero = 0;
  stream->upload(number, &zero);
  for (const auto& [key, edge] : edges) {
    const Route route{.peer = edge->peer, .channel = edge->channel};
    edge->sends ? send(*stream, number, route) : recv(*stream, number, route);
  }
  device_.synchronize();
}

NcclTransport::Connection& NcclTransport::connection(const std::vector<int>& members, int channel) {
  const auto place = connections_.find({members, channel});
  if (place == connections_.end()) {
    throw TransportError(
        fmt::format("nccl: rank {} has no connection among ranks [{}] on channel {}; connect first",
                    rank_, fmt::join(members, ", "), channel));
  }
  return place->second;
}

void NcclTransport::send(Stream& stream, const TensorView& from, const Route& route) {
  check_route("send", rank_, ranks(), route);
  const cuda::Queue* queue = cuda::open_queue(stream);
  if (queue == nullptr) {
    return;
  }
  Communicator& communicator = *connection(pair_of(rank_, route.peer), route.channel).communicator;
  communicator.call("ncclSend", [&](ncclComm_t comm) {
    return ncclSend(from.data(), static_cast<std::size_t>(from.elements()), type_of(from.dtype()),
                    1 - communicator.place(), comm, queue->stream());
  });
}

void NcclTransport::recv(Stream& stream, const TensorView& to, const Route& route) {
  check_route("recv", rank_, ranks(), route);
  const cuda::Queue* queue = cuda::open_queue(stream);
  if (queue == nullptr) {
    return;
  }
  Communicator& communicator = *connection(pair_of(rank_, route.peer), route.channel).communicator;
  communicator.call("ncclRecv", [&](ncclComm_t comm) {
    return ncclRecv(to.data(), static_cast<std::size_t>(to.elements()), type_of(to.dtype()),
                    1 - communicator.place(), comm, queue->stream());
  });
}

void NcclTransport::all_reduce(Stream& stream, const TensorView& values,
                               const std::vector<int>& members, int channel) {
  check_members(values, rank_, ranks(), members);
  cuda::Queue* queue = cuda::open_queue(stream);
  if (queue == nullptr || members.size() == 1) {
    return;
  }
  Connection& connection = this->connection(members, channel);
  if (members.size() > 2) {
    gather_and_add(*queue, values, connection);
    return;
  }
  connection.communicator->call("ncclAllReduce", [&](ncclComm_t comm) {
    return ncclAllReduce(values.data(), values.data(), static_cast<std::size_t>(values.elements()),
                         type_of(values.dtype()), ncclSum, comm, queue->stream());
  });
}

void NcclTransport::gather_and_add(cuda::Queue& queue, const TensorView& values,
                                   Connection& connection) {
  const std::size_t element = size_of(values.dtype());
  const std::size_t members = connection.communicator->members().size();
  std::byte* all = connection.staging.view().data();
  for (std::size_t begin = 0; begin < values.bytes(); begin += kChunkBytes) {
    const std::size_t bytes = std::min(kChunkBytes, values.bytes() - begin);
    std::byte* mine = values.data() + begin;
    connection.communicator->call("ncclAllGather", [&](ncclComm_t comm) {
      return ncclAllGather(mine, all, bytes / element, type_of(values.dtype()), comm,
                           queue.stream());
    });
    const TensorSpec chunk{{static_cast<std::int64_t>(bytes / element)}, values.dtype()};
    for (std::size_t member = 1; member < members; ++member) {
      cuda::add(queue, TensorView(all, chunk), TensorView(all + member * bytes, chunk));
    }
    cuda::check(cudaMemcpyAsync(mine, all, bytes, cudaMemcpyDeviceToDevice, queue.stream()),
                "cudaMemcpyAsync");
  }
}

void NcclTransport::close() noexcept {
  cudaSetDevice(device_.number());
  for (auto& [key, connection] : connections_) {
    connection.communicator->close();
  }
  connections_.clear();
}

}  // namespace comm

int nccl_version() {
  int version = 0;
  const ncclResult_t result = ncclGetVersion(&version);
  if (result != ncclSuccess) {
    throw DeviceError(fmt::format("nccl: ncclGetVersion failed: {}", ncclGetErrorString(result)));
  }
  return version;
}

}  // namespace lockflight
