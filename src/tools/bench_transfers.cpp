#include "tools/bench_transfers.h"

#include <algorithm>
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

  // Since a waiting rank may fall asleep, single times differ much more than those of a row.
  void measure(TransferRun& transfer) {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    run([&](int rank) {
      if (rank == transfer.from) {
        for (int i = 0; i <= kTransfersInARow; ++i) {
          send(transfer);
        }
      } else if (rank == transfer.to) {
        recv(transfer);
        ends_[rank].stream->time(&begin);
        for (int i = 0; i < kTransfersInARow; ++i) {
          recv(transfer);
        }
        ends_[rank].stream->time(&end);
      }
    });
    transfer.seconds.push_back(static_cast<double>(end - begin) * 1e-9 / kTransfersInARow);
  }

 private:
  struct End {
    Tensor memory;
    std::unique_ptr<Stream> stream;
  };

  void send(const TransferRun& transfer) {
    world_.transport(transfer.from)
        .send(*ends_[transfer.from].stream, view(transfer.from, transfer),
              {.peer = transfer.to, .channel = channel_of(transfer.from, transfer.to)});
  }

  void recv(const TransferRun& transfer) {
    world_.transport(transfer.to)
        .recv(*ends_[transfer.to].stream, view(transfer.to, transfer),
              {.peer = transfer.from, .channel = channel_of(transfer.from, transfer.to)});
  }

  TensorView view(int rank, const TransferRun& transfer) const {
    const auto elements = static_cast<std::int64_t>(transfer.bytes / sizeof(float));
    return ends_[rank].memory.view().slice(0, elements);
  }

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
