#include "runtime/update_phase.h"

#include "lockflight/plan/unroll.h"

namespace lockflight::runtime {

plan::Update update_of(const UpdateWork& work, const plan::Program& program, Ranks& ranks, int rank,
                       std::size_t step) {
  const auto run = [&work, &ranks, rank, step](plan::Opcode opcode, Stream& stream) {
    RankContext context = ranks.context(rank, stream, step);
    switch (opcode) {
      case plan::Opcode::gradient_norm:
        return work.gradient_norm(context);
      case plan::Opcode::gradient_sums:
        return work.gradient_sums(context);
      case plan::Opcode::add_sums:
        return work.add_sums(context);
      case plan::Opcode::read_sums:
        return work.read_sums(context);
      case plan::Opcode::validate:
        return work.validate(context);
      default:
        return work.update(context);
    }
  };
  return {.run = run, .sums = plan::validates(program) ? work.sums(rank) : plan::RankSums()};
}

std::size_t train_in_a_row(Ranks& ranks, int rank, const plan::Job& job,
                           std::vector<plan::Step>& steps, const UpdateWork& work) {
  plan::Executor& executor = ranks.executor(rank);
  Device& device = ranks.device(rank);
  executor.begin_row();
  executor.enqueue_prologue(job, steps.front());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const plan::Update update = update_of(work, job.program, ranks, rank, i);
    plan::Step* const next = i + 1 < steps.size() ? &steps[i + 1] : nullptr;
    executor.enqueue_rest();
    executor.enqueue_eager_update(job.program, update);
    if (next != nullptr) {
      executor.enqueue_prologue(job, *next);
    }
    device.synchronize(executor.verdict(job.program));
    const plan::Verdict verdict = work.verdict(ranks.context(rank));
    if (verdict != plan::Verdict::accepted) {
      device.synchronize();
    }
    executor.enqueue_validation(job.program, update);
    if (verdict == plan::Verdict::refused) {
      return i + 1;
    }
    if (verdict == plan::Verdict::amended && next != nullptr) {
      executor.enqueue_prologue(job, *next);
    }
  }
  return steps.size();
}

}  // namespace lockflight::runtime
