#include "tools/bench_transfers.h"

#include <algorithm>
#include <array>
#include <memory>

#include "runtime/rank_threads.h"

namespace lockflight::tools {
namespace {

// The channel from a rank to a neighbour: each direction has its own.
int channel_of(int from, int to) { return from < to ? 0 : 1; }

Links links_of(int rank, int ranks) {
  Links links;
  for (const int peer : {rank - 1, rank + 1}) {
    if (peer >= 0 && peer < ranks) {
      for (const bool sends : {true, false}) {
        const int channel = sends ? channel_of(rank, peer) : channel_of(peer, rank);
        links.edges.push_back({.peer = peer, .channel = channel, .sends = sends});
      }
    }
  }
  return links;
}

class TransferBench {
 public:
  TransferBench(const ThreadWorldOptions& options, std::size_t bytes)
      : world_(World::threads(options)), ends_(world_.ranks()), threads_(world_) {
    const TensorSpec spec{{static_cast<std::int64_t>(bytes / sizeof(float))}};
    run([&](int rank) {
      Device& device = world_.device(rank);
      device.reserve(bytes);
      ends_[rank].memory = device.empty(spec);
      ends_[rank].stream = device.make_stream(StreamRole::transfer);
      world_.transport(rank).connect(links_of(rank, world_.ranks()));
    });
  }

  void measure(TransferRun& transfer) {
    std::array<std::int64_t, kTransfersInARow + 1> ends{};
    run([&](int rank) {
      if (rank != transfer.from && rank != transfer.to) {
        return;
      }
      const bool sends = rank == transfer.from;
      const Route route{.peer = sends ? transfer.to : transfer.from,
                        .channel = channel_of(transfer.from, transfer.to)};
      const auto elements = static_cast<std::int64_t>(transfer.bytes / sizeof(float));
      const TensorView view = ends_[rank].memory.view().slice(0, elements);
      Stream& stream = *ends_[rank].stream;
      for (std::int64_t& end : ends) {
        if (sends) {
          world_.transport(rank).send(stream, view, route);
        } else {
          world_.transport(rank).recv(stream, view, route);
          stream.time(&end);
        }
      }
    });
    for (std::size_t i = 1; i < ends.size(); ++i) {
      transfer.seconds.push_back(static_cast<double>(ends[i] - ends[i - 1]) * 1e-9);
    }
  }

 private:
  struct End {
    Tensor memory;
    std::unique_ptr<Stream> stream;
  };

  void run(const std::function<void(int)>& work) {
    const auto failures = threads_.run(work);
    if (!failures.empty()) {
      std::rethrow_exception(failures.front().error);
    }
  }

  World world_;
  std::vector<End> ends_;
  runtime::RankThreads threads_;
};

}  // namespace

std::vector<TransferRun> transfers_among(int ranks, const std::vector<std::size_t>& sizes) {
  std::vector<TransferRun> transfers;
  for (int rank = 0; rank + 1 < ranks; ++rank) {
    for (const bool up : {true, false}) {
      for (const std::size_t bytes : sizes) {
        transfers.push_back(
            {.from = up ? rank : rank + 1, .to = up ? rank + 1 : rank, .bytes = bytes});
      }
    }
  }
  return transfers;
}

void measure_transfers(const ThreadWorldOptions& options, std::vector<TransferRun>& transfers) {
  if (transfers.empty()) {
    return;
  }
  const auto largest = std::ranges::max_element(transfers, {}, &TransferRun::bytes);
  TransferBench bench(options, largest->bytes);
  for (TransferRun& transfer : transfers) {
    bench.measure(transfer);
  }
}

}  // namespace lockflight::tools
