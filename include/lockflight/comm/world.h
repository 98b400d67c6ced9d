// The ranks that take part: for each its device and its end of the transport.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lockflight/comm/transport.h"
#include "lockflight/device/cpu_device.h"

namespace lockflight {

/// How CUDA devices exchange data.
enum class CudaTransport : std::uint8_t {
  automatic,   ///< NCCL where every rank has a GPU of its own, else in_process
  nccl,        ///< needs a GPU for every rank
  in_process,  ///< copies between devices; several ranks may share a GPU
};

struct ThreadWorldOptions {
  int ranks = 1;
  int threads_per_rank = 1;  ///< on the CPU
  StreamMode streams = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed;
  /// How long a rank may wait for another before the step fails.
  std::chrono::milliseconds deadline = std::chrono::minutes(5);
  /// cpu or cuda: rank r has GPU number r, modulo their number.
  DeviceKind device = DeviceKind::cpu;
  CudaTransport cuda_transport = CudaTransport::automatic;
};

/// Whether NCCL did not come back from an abort, somewhere in this process.  The TransportError
/// that says so has been thrown; what is held on the GPUs is free again when the process has ended,
/// which it should do by std::_Exit: the libraries' own clean-up might wait for ever.
bool nccl_is_stuck();

/// Of the library NCCL: 22805 for 2.28.5.  Throws DeviceError in a build without CUDA.
int nccl_version();

/// Moves.  Must outlive the pipelines that use it.
class World {
 public:
  /// All ranks in this process.  On CPU devices with the in-process rendezvous transport.  Throws
  /// InvalidArgument unless there is at least one rank and one thread per rank, or if NCCL is asked
  /// for and there are more ranks than GPUs; DeviceError if CUDA cannot be used.
  static World threads(const ThreadWorldOptions& options);

  int ranks() const { return static_cast<int>(members_.size()); }
  Device& device(int rank) const { return *members_[rank].device; }
  Transport& transport(int rank) const { return *members_[rank].transport; }

  /// A rank, before it gets a transport.
  struct Member {
    std::unique_ptr<Device> device;
    std::unique_ptr<Transport> transport;
  };

 private:
  explicit World(std::vector<Member> members, std::shared_ptr<void> end = nullptr)
      : members_(std::move(members)), end_(std::move(end)) {}

  std::vector<Member> members_;
  std::shared_ptr<void> end_;  // what the ranks must do together at the end; goes first
};

}  // namespace lockflight
