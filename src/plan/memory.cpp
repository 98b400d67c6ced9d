#include "plan/memory.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/staging.h"
#include "lockflight/device/cuda_device.h"
#include "lockflight/plan/place.h"
#include "plan/job.h"
#include "plan/links.h"

namespace lockflight {

std::string bytes_text(std::size_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int digits = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

namespace plan {
namespace {

// What made a buffer, for people.
std::string maker_of(const RankProgram& program, std::int32_t number, std::int32_t peak) {
  if (number < 0) {
    return "losses";
  }
  const Instruction& instruction = program.instructions[number];
  if (number == peak) {
    return fmt::format("{} itself", schedule::to_string(instruction.action));
  }
  if (instruction.opcode == Opcode::allocate) {
    return program.slots[instruction.slot].kind == Boundary::Kind::activation
               ? "received activations"
               : "received gradients";
  }
  const schedule::ActionKind kind = instruction.action.kind;
  return fmt::format("stage {}, {}", instruction.action.stage,
                     kind == schedule::ActionKind::forward     ? "forwards"
                     : kind == schedule::ActionKind::recompute ? "recomputed"
                                                               : "backwards");
}

std::vector<RankMemory::Share> shares_of(const RankProgram& program,
                                         const std::vector<BufferLife>& buffers,
                                         const MemoryPeak& peak) {
  struct Sum {
    std::size_t bytes = 0;
    std::set<int> micro_batches;
  };
  std::map<std::string, Sum> sums;
  for (const std::size_t i : peak.buffers) {
    const std::int32_t maker = buffers[i].action;
    Sum& sum = sums[maker_of(program, maker, peak.action)];
    sum.bytes += aligned_bytes(buffers[i].bytes);
    if (maker >= 0 && maker != peak.action && program.instructions[maker].slot >= -1) {
      const Instruction& instruction = program.instructions[maker];
      sum.micro_batches.insert(instruction.opcode == Opcode::allocate
                                   ? program.slots[instruction.slot].micro_batch
                                   : instruction.action.micro_batch);
    }
  }
  std::vector<RankMemory::Share> shares;
  for (const auto& [what, sum] : sums) {
    const std::size_t count = sum.micro_batches.size();
    shares.push_back({.what = count == 0 ? what
                                         : fmt::format("{} ({} micro-batch{})", what, count,
                                                       count == 1 ? "" : "es"),
                      .bytes = sum.bytes});
  }
  std::ranges::stable_sort(shares, std::ranges::greater(), &RankMemory::Share::bytes);
  return shares;
}

// The optimizer's sums of squares, one for every parameter of all copies of the model, and its
// scales.  In the schedule a rank also has the sums that it receives, and, unless it is the last
// and knows all at once, the scales of what is to be undone and redone.
std::size_t scratch_bytes(const Plan& plan, int rank, std::size_t parameters) {
  const std::size_t sums = aligned_bytes(parameters * size_of(DType::f64));
  const std::size_t scale = aligned_bytes(size_of(DType::f32));
  if (!plan::validates(plan.program)) {
    return sums + scale;
  }
  const bool first = rank == 0;
  const bool last = rank + 1 == plan.ranks();
  return sums * (1 + (first ? 0 : 1) + (last ? 0 : 1)) + scale * (last ? 1 : 3);
}

void add_lasting(nn::Model& model, const Plan& plan, int optimizer_states,
                 std::vector<RankMemory>& memory) {
  const bool trains = schedule::has_backward(plan.schedule);
  const std::size_t entries = model.parameters().size() * plan.schedule.placement.copies();
  for (std::size_t rank = 0; rank < memory.size(); ++rank) {
    memory[rank].optimizer_bytes =
        trains ? scratch_bytes(plan, static_cast<int>(rank), entries) : 0;
  }
  for (const StagePlan& stage : plan.stages) {
    RankMemory& rank = memory[stage.rank];
    // What an update may have to be taken back with: values and states.
    const bool copies = validates(plan.program) && stage.rank + 1 < plan.ranks();
    const int tensors = optimizer_states + (copies ? 1 + optimizer_states : 0);
    for (int layer = stage.first_layer; layer < stage.first_layer + stage.layers; ++layer) {
      for (const nn::Parameter* parameter : model.layers()[layer].layer->parameters()) {
        const std::size_t gradient = parameter->gradient_bytes();
        rank.parameter_bytes += parameter->value_bytes();
        rank.gradient_bytes += gradient;
        rank.optimizer_bytes += trains ? gradient * static_cast<std::size_t>(tensors) : 0;
      }
    }
  }
}

void add_workspace(const Program& program, const PlanOptions& options,
                   std::vector<RankMemory>& memory) {
  if (options.device.kind != DeviceKind::cuda) {
    return;
  }
  const bool nccl = options.cuda_transport == CudaTransport::nccl ||
                    (options.cuda_transport == CudaTransport::automatic && memory.size() > 1);
  const CudaTransport transport = nccl ? CudaTransport::nccl : CudaTransport::in_process;
  for (std::size_t rank = 0; rank < memory.size(); ++rank) {
    const auto computing = std::ranges::count_if(program.ranks[rank].streams, computes);
    memory[rank].workspace_bytes =
        static_cast<std::size_t>(computing) * stream_workspace_bytes(options.device.kind) +
        comm::staging_bytes(transport, links_of(program, static_cast<int>(rank)));
  }
}

}  // namespace

std::size_t stream_workspace_bytes(DeviceKind kind) {
  return kind == DeviceKind::cuda ? aligned_bytes(CudaDeviceOptions().workspace_bytes) : 0;
}

std::vector<RankMemory> memory_of(nn::Model& model, const Plan& plan, const PlanOptions& options) {
  std::vector<RankMemory> memory(static_cast<std::size_t>(plan.ranks()));
  add_lasting(model, plan, options.optimizer_states, memory);
  add_workspace(plan.program, options, memory);
  Job training = training_job(model, plan);
  Job evaluation = forward_job(model, plan,
                               {.micro_batch_rows = plan.batch_shape.micro_batch_rows,
                                .micro_batches = plan.batch_shape.micro_batches});
  const auto buffers = lay_out(model, plan.stages, training);
  lay_out(model, plan.stages, evaluation);
  for (std::size_t rank = 0; rank < memory.size(); ++rank) {
    const RankProgram& program = training.program.ranks[rank];
    const MemoryPeak peak = memory_peak(buffers[rank]);
    memory[rank].step_bytes =
        std::max(training.layouts[rank].bytes, evaluation.layouts[rank].bytes);
    memory[rank].step_peak_bytes = peak.bytes;
    memory[rank].peak_action = peak.action < 0
                                   ? "the start"
                                   : schedule::to_string(program.instructions[peak.action].action);
    memory[rank].peak_shares = shares_of(program, buffers[rank], peak);
  }
  return memory;
}

std::string beyond_limit(const std::vector<RankMemory>& memory, std::size_t limit_bytes) {
  const auto worst = std::ranges::max_element(memory, {}, &RankMemory::arena_bytes);
  if (worst == memory.end() || worst->arena_bytes() <= limit_bytes) {
    return {};
  }
  const auto others =
      std::ranges::count_if(
          memory, [&](const RankMemory& rank) { return rank.arena_bytes() > limit_bytes; }) -
      1;
  std::vector<std::string> shares;
  for (const RankMemory::Share& share : worst->peak_shares) {
    shares.push_back(fmt::format("{} {}", share.what, bytes_text(share.bytes)));
  }
  return fmt::format(
      "rank {} needs {}, {} more than the limit of {}: parameters {}, gradients {}, optimizer {}, "
      "{}and {} for the step, whose peak is at {} ({}){}",
      worst - memory.begin(), bytes_text(worst->arena_bytes()),
      bytes_text(worst->arena_bytes() - limit_bytes), bytes_text(limit_bytes),
      bytes_text(worst->parameter_bytes), bytes_text(worst->gradient_bytes),
      bytes_text(worst->optimizer_bytes),
      worst->workspace_bytes == 0
          ? ""
          : fmt::format("workspace {}, ", bytes_text(worst->workspace_bytes)),
      bytes_text(worst->step_bytes), worst->peak_action, fmt::join(shares, ", "),
      others == 0
          ? ""
          : fmt::format("; {} other rank{} beyond it too", others, others == 1 ? " is" : "s are"));
}

}  // namespace plan
}  // namespace lockflight
