#include "comm/cuda/world.h"

#include <thread>
#include <utility>

#include <fmt/format.h>

#include "comm/cuda/in_process.h"
#include "comm/nccl/nccl_transport.h"
#include "lockflight/core/error.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight::comm {
namespace {

bool use_nccl(const ThreadWorldOptions& options, int gpus) {
  if (options.cuda_transport == CudaTransport::nccl && options.ranks > gpus) {
    throw InvalidArgument(
        fmt::format("world: NCCL needs a GPU for every rank, there are {} ranks and {} GPUs; take "
                    "fewer ranks, or the in-process transport",
                    options.ranks, gpus));
  }
  return options.ranks > 1 && options.ranks <= gpus &&
         options.cuda_transport != CudaTransport::in_process;
}

// All ranks at the same time, each on a thread of its own.
void close_all(const std::vector<NcclTransport*>& transports) {
  std::vector<std::thread> threads;
  for (NcclTransport* transport : transports) {
    threads.emplace_back([transport] { transport->close(); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

CudaRanks nccl_ranks(std::vector<World::Member> members, std::vector<cuda::CudaDevice*> devices,
                     std::chrono::milliseconds deadline) {
  auto meeting = std::make_shared<NcclMeeting>(std::move(devices));
  std::vector<NcclTransport*> transports;
  for (int rank = 0; rank < meeting->ranks(); ++rank) {
    auto transport = std::make_unique<NcclTransport>(meeting, rank, deadline);
    transports.push_back(transport.get());
    members[rank].transport = std::move(transport);
  }
  // The pointer points at nothing: what counts is what happens when its last copy goes.
  std::shared_ptr<void> end(nullptr, [transports](void* /*nothing*/) { close_all(transports); });
  return {std::move(members), CudaTransport::nccl, std::move(end)};
}

}  // namespace

CudaRanks make_cuda_ranks(const ThreadWorldOptions& options) {
  if (options.ranks < 1) {
    throw InvalidArgument(fmt::format("world: {} ranks; at least 1 is needed", options.ranks));
  }
  const CudaSupport support = cuda_support();
  const auto gpus = static_cast<int>(support.devices.size());
  std::vector<int> numbers;
  for (int rank = 0; rank < options.ranks; ++rank) {
    numbers.push_back(gpus == 0 ? 0 : rank % gpus);
  }
  std::vector<World::Member> members;
  std::vector<cuda::CudaDevice*> devices;
  for (auto& device : make_cuda_devices(numbers, {.deadline = options.deadline})) {
    devices.push_back(static_cast<cuda::CudaDevice*>(device.get()));
    members.push_back({std::move(device), nullptr});
  }
  if (use_nccl(options, gpus)) {
    return nccl_ranks(std::move(members), std::move(devices), options.deadline);
  }
  auto hub = std::make_shared<CudaHub>(std::move(devices));
  for (int rank = 0; rank < options.ranks; ++rank) {
    members[rank].transport = std::make_unique<CudaInProcessTransport>(hub, rank);
  }
  return {std::move(members), CudaTransport::in_process, nullptr};
}

}  // namespace lockflight::comm
