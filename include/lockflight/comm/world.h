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

struct ThreadWorldOptions {
  int ranks = 1;
  int threads_per_rank = 1;
  StreamMode streams = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed;
  /// How long a rank may wait for another before the step fails.
  std::chrono::milliseconds deadline = std::chrono::minutes(5);
};

/// Moves.  Must outlive the pipelines that use it.
class World {
 public:
  /// All ranks in this process, on CPU devices, with the in-process rendezvous transport.  Throws
  /// InvalidArgument unless there is at least one rank and one thread per rank.
  static World threads(const ThreadWorldOptions& options);

  int ranks() const { return static_cast<int>(members_.size()); }
  Device& device(int rank) const { return *members_[rank].device; }
  Transport& transport(int rank) const { return *members_[rank].transport; }

 private:
  struct Member {
    std::unique_ptr<Device> device;
    std::unique_ptr<Transport> transport;
  };

  explicit World(std::vector<Member> members) : members_(std::move(members)) {}

  std::vector<Member> members_;
};

}  // namespace lockflight
