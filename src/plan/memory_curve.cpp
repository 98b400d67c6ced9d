#include "plan/memory_curve.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "lockflight/device/planned_memory.h"
#include "plan/job.h"
#include "plan/recomputing.h"
#include "plan/rehearse.h"

namespace lockflight::plan {
namespace {

// A call that takes memory, or gives it back.
struct Change {
  std::int64_t call = 0;
  std::int64_t bytes = 0;  // negative: given back
  std::int32_t action = -1;
};

std::vector<Change> changes_of(std::span<const BufferLife> buffers) {
  std::vector<Change> changes;
  for (const BufferLife& buffer : buffers) {
    const auto bytes = static_cast<std::int64_t>(aligned_bytes(buffer.bytes));
    changes.push_back({.call = buffer.born, .bytes = bytes, .action = buffer.action});
    if (buffer.freed >= 0) {
      changes.push_back({.call = buffer.freed, .bytes = -bytes});
    }
  }
  std::ranges::sort(changes, {}, &Change::call);
  return changes;
}

// How many computes stand in front of an instruction, it included.
std::vector<std::size_t> computes_up_to(const RankProgram& program) {
  std::vector<std::size_t> counts;
  std::size_t count = 0;
  for (const Instruction& instruction : program.instructions) {
    count += instruction.opcode == Opcode::compute ? 1 : 0;
    counts.push_back(count);
  }
  return counts;
}

// The most that is taken before the first compute, from then to the second, and so on; at last what
// remains.
std::vector<std::int64_t> levels_of(const RankProgram& program,
                                    std::span<const BufferLife> buffers) {
  const std::vector<std::size_t> computes = computes_up_to(program);
  std::vector<std::int64_t> levels(1);
  std::int64_t taken = 0;
  const auto come_to = [&](std::size_t compute) {
    while (levels.size() <= compute) {
      levels.push_back(taken);
    }
  };
  for (const Change& change : changes_of(buffers)) {
    if (change.bytes > 0 && change.action >= 0) {
      come_to(computes[change.action]);
    }
    taken += change.bytes;
    levels.back() = std::max(levels.back(), taken);
  }
  come_to(computes.empty() ? 0 : computes.back());
  levels.push_back(taken);
  return levels;
}

}  // namespace

void set_memory(SimulatedStep& step, nn::Model& model, const Plan& plan) {
  const Recomputing recomputing(model, recomputed_layers(model, plan.stages));
  const Job job = training_job(model, plan);
  const auto buffers = rehearse(model, plan.stages, job).buffers;
  std::vector<std::vector<double>> begins(plan.memory.size());
  for (const SimulatedSpan& span : step.spans) {
    if (span.opcode == Opcode::compute) {
      begins[span.rank].push_back(span.begin);
    }
  }
  for (std::vector<double>& of_rank : begins) {
    std::ranges::sort(of_rank);  // an overlapped pair is on two streams
  }
  for (std::size_t i = 0; i < step.ranks.size(); ++i) {
    const RankMemory& memory = plan.memory[i];
    const auto lasting = static_cast<std::int64_t>(memory.parameter_bytes + memory.gradient_bytes +
                                                   memory.optimizer_bytes);
    const std::vector<std::int64_t> levels = levels_of(job.program.ranks[i], buffers[i]);
    SimulatedRank& rank = step.ranks[i];
    std::vector<double> times = begins[i];
    times.insert(times.begin(), 0);
    times.push_back(rank.end);
    rank.memory.clear();
    for (std::size_t j = 0; j < levels.size(); ++j) {
      rank.memory.push_back({.time = times[j], .bytes = lasting + levels[j]});
    }
    rank.peak_bytes = std::ranges::max(rank.memory, {}, &MemoryPoint::bytes).bytes;
  }
}

}  // namespace lockflight::plan
