#include "lockflight/comm/world.h"

#include "comm/cuda/world.h"
#include "comm/in_process.h"

namespace lockflight {

World World::threads(const ThreadWorldOptions& options) {
  if (options.device == DeviceKind::cuda) {
    comm::CudaRanks ranks = comm::make_cuda_ranks(options);
    return {std::move(ranks.members), ranks.transport, std::move(ranks.end)};
  }
  auto devices = make_cpu_devices(options.ranks, {.mode = options.streams,
                                                  .chaos_seed = options.chaos_seed,
                                                  .threads = options.threads_per_rank,
                                                  .deadline = options.deadline});
  std::vector<Device*> borrowed;
  for (const auto& device : devices) {
    borrowed.push_back(device.get());
  }
  auto hub = std::make_shared<comm::Hub>(std::move(borrowed));
  std::vector<Member> members;
  for (int rank = 0; rank < options.ranks; ++rank) {
    members.push_back(
        {std::move(devices[rank]), std::make_unique<comm::InProcessTransport>(hub, rank)});
  }
  return {std::move(members), CudaTransport::in_process};
}

}  // namespace lockflight
