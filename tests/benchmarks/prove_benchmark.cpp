// How long a proof takes, and how much memory program and proof take together.
//
//   prove_benchmark                                  loops of four stages a rank, and 1F1B
//   prove_benchmark --benchmark_filter=4096          the largest only: 1,024 ranks, 4 GB
//
// Arguments: ranks, micro-batches, stages a rank.  Programs are written down directly, in the shape
// that lower() gives them: every boundary has its memory, its stream, and records and waits.

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "lockflight/plan/prove.h"
#include "plan/boundaries.h"

namespace lockflight::benchmarks {
namespace {

using plan::Boundary;
using plan::Instruction;
using plan::Opcode;
using plan::Program;
using plan::RankProgram;
using schedule::Action;
using schedule::ActionKind;

struct Size {
  int ranks;
  int micro_batches;
  int stages_per_rank;
};

class RankWriter {
 public:
  RankWriter(Program& program, int rank, Size size)
      : program_(program), here_(program.ranks[rank]) {
    here_.streams.push_back({});
    const std::size_t actions = std::size_t{2} * size.micro_batches * size.stages_per_rank;
    here_.instructions.reserve(13 * actions + 2);
    here_.slots.reserve(2 * actions);
    const std::size_t channels = 2 * static_cast<std::size_t>(program.placement.stages());
    stream_of_channel_.assign(channels, -1);
  }

  void run(const std::vector<Action>& order) {
    for (const Action& action : order) {
      compute(action);
    }
    for (const auto& [slot, event] : gradients_) {
      settle(slot, event);
    }
    emit({.opcode = Opcode::gradient_norm});
    emit({.opcode = Opcode::update});
  }

 private:
  void compute(const Action& action) {
    const int stages = program_.placement.stages();
    const auto input = plan::input_of(action, stages);
    const auto output = plan::output_of(action, stages);
    if (action.kind == ActionKind::backward && input) {  // whoever sends it has taken the output
      auto& [slot, event] = sent_[{action.stage, action.micro_batch}];
      settle(slot, event);
      sent_.erase({action.stage, action.micro_batch});
    }
    const int slot = input ? receive(*input) : -1;
    const int filled = output ? new_slot(*output) : -1;
    emit({.action = action, .slot = slot, .output = filled});
    if (output) {
      send(*output, filled);
    }
  }

  int receive(const Boundary& boundary) {
    const int slot = new_slot(boundary);
    const int peer = program_.placement.rank_of(plan::maker_stage(boundary));
    const int stream = stream_of(boundary, peer, false);
    emit({.opcode = Opcode::allocate, .slot = slot});
    order_after(0, stream);
    emit({.opcode = Opcode::recv,
          .stream = stream,
          .action = plan::recv_action(boundary),
          .slot = slot,
          .peer = peer});
    order_after(stream, 0);
    return slot;
  }

  void send(const Boundary& boundary, int slot) {
    const int peer = program_.placement.rank_of(plan::taker_stage(boundary));
    const int stream = stream_of(boundary, peer, true);
    order_after(0, stream);
    emit({.opcode = Opcode::send,
          .stream = stream,
          .action = plan::send_action(boundary),
          .slot = slot,
          .peer = peer});
    if (boundary.kind == Boundary::Kind::activation) {
      sent_[{boundary.stage, boundary.micro_batch}] = {slot, record(stream)};
    } else {
      gradients_.emplace_back(slot, record(stream));
    }
  }

  void settle(int slot, int event) {
    emit({.opcode = Opcode::wait, .event = event});
    emit({.opcode = Opcode::release, .slot = slot});
  }

  void order_after(int earlier, int later) {
    const int event = record(earlier);
    emit({.opcode = Opcode::wait, .stream = later, .event = event});
  }

  int record(int stream) {
    emit({.opcode = Opcode::record, .stream = stream, .event = here_.events});
    return here_.events++;
  }

  void emit(const Instruction& instruction) { here_.instructions.push_back(instruction); }

  int new_slot(const Boundary& boundary) {
    here_.slots.push_back(boundary);
    return static_cast<int>(here_.slots.size()) - 1;
  }

  int stream_of(const Boundary& boundary, int peer, bool sends) {
    int& stream = stream_of_channel_[channel_of(boundary)];
    if (stream < 0) {
      stream = static_cast<int>(here_.streams.size());
      here_.streams.push_back({.peer = peer, .channel = channel_of(boundary), .sends = sends});
    }
    return stream;
  }

  static int channel_of(const Boundary& boundary) {
    return 2 * boundary.stage + (boundary.kind == Boundary::Kind::activation ? 0 : 1);
  }

  Program& program_;
  RankProgram& here_;
  std::vector<int> stream_of_channel_;
  std::map<std::pair<int, int>, std::pair<int, int>> sent_;  // (stage, micro-batch) → slot, event
  std::vector<std::pair<int, int>> gradients_;               // slot, event
};

// All forwards of a chunk, chunk by chunk, and all backwards the other way round; with one stage a
// rank 1F1B.
std::vector<Action> order_of(int rank, Size size) {
  std::vector<Action> order;
  const auto [ranks, micro_batches, chunks] = size;
  if (chunks == 1) {
    const int warm_up = std::min(micro_batches, ranks - rank - 1);
    for (int i = 0; i < micro_batches + warm_up; ++i) {
      if (i < micro_batches) {
        order.push_back({rank, ActionKind::forward, i});
      }
      if (i >= warm_up) {
        order.push_back({rank, ActionKind::backward, i - warm_up});
      }
    }
    return order;
  }
  for (int chunk = 0; chunk < chunks; ++chunk) {
    for (int i = 0; i < micro_batches; ++i) {
      order.push_back({chunk * ranks + rank, ActionKind::forward, i});
    }
  }
  for (int chunk = chunks; chunk-- > 0;) {
    for (int i = 0; i < micro_batches; ++i) {
      order.push_back({chunk * ranks + rank, ActionKind::backward, i});
    }
  }
  return order;
}

Program program_of(Size size) {
  Program program;
  program.micro_batches = size.micro_batches;
  program.placement =
      schedule::Placement::loop({.ranks = size.ranks, .stages_per_rank = size.stages_per_rank});
  program.channels = 2 * (program.placement.stages() - 1);
  program.ranks.resize(size.ranks);
  for (int rank = 0; rank < size.ranks; ++rank) {
    RankWriter(program, rank, size).run(order_of(rank, size));
  }
  return program;
}

void prove(benchmark::State& state) {
  const Program program = program_of({.ranks = static_cast<int>(state.range(0)),
                                      .micro_batches = static_cast<int>(state.range(1)),
                                      .stages_per_rank = static_cast<int>(state.range(2))});
  plan::Proof proof;
  for ([[maybe_unused]] auto iteration : state) {
    proof = plan::prove(program);
  }
  if (!proof.proved()) {
    state.SkipWithError(plan::to_string(proof.findings.front()).c_str());
    return;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  state.counters["instructions"] = static_cast<double>(proof.instructions);
  state.counters["peak_GiB"] = static_cast<double>(usage.ru_maxrss) / (1 << 20);
}

BENCHMARK(prove)
    ->Args({64, 512, 4})
    ->Args({1024, 512, 1})
    ->Args({1024, 4096, 1})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace lockflight::benchmarks

BENCHMARK_MAIN();
