#include "lockflight/plan/unroll.h"

#include <algorithm>

#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

// Of one rank.
class Unrolling {
 public:
  Unrolling(const RankProgram& step, RankProgram& all)
      : step_(step), all_(all), validation_(validation_phase(step)) {
    all_.streams = step.streams;
  }

  void run(const std::vector<Verdict>& verdicts) {
    begin_run();
    append(0, validation_);
    for (const Verdict verdict : verdicts) {
      const Run before = run_;
      begin_run();
      append(0, step_.prologue);
      validate(before, verdict);
      append(step_.prologue, validation_);
    }
    append(validation_, step_.instructions.size());
  }

 private:
  // A step under way has slots and events of its own.
  struct Run {
    int first_slot = 0;
    int first_event = 0;
  };

  void begin_run() {
    run_ = {.first_slot = static_cast<int>(all_.slots.size()), .first_event = all_.events};
    all_.slots.insert(all_.slots.end(), step_.slots.begin(), step_.slots.end());
    all_.events += step_.events;
  }

  void append(std::size_t begin, std::size_t end) { append(run_, begin, end); }
  void append(const Run& run, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      Instruction instruction = step_.instructions[i];
      const bool ties = instruction.opcode == Opcode::reduce_tied;
      instruction.slot += instruction.slot >= 0 && !ties ? run.first_slot : 0;
      instruction.output += instruction.output >= 0 ? run.first_slot : 0;
      instruction.event += instruction.event >= 0 ? run.first_event : 0;
      all_.instructions.push_back(instruction);
    }
  }

  // The step `before` has its sums; the prologue of the next one is enqueued.
  void validate(const Run& before, Verdict verdict) {
    if (validation_ == step_.instructions.size()) {
      return;
    }
    const int told = step_.instructions.back().event + before.first_event;
    for (int stream = 0; stream < std::ssize(all_.streams); ++stream) {
      emit({.opcode = Opcode::wait, .stream = stream, .event = told});
    }
    if (verdict == Verdict::amended) {
      await_all();
    }
    append(before, validation_, step_.instructions.size());
    if (verdict == Verdict::amended) {
      emit({.opcode = Opcode::update});
      begin_run();
      append(0, step_.prologue);
    }
  }

  // No stream goes on before all have come so far.
  void await_all() {
    const int streams = static_cast<int>(all_.streams.size());
    for (int stream = 1; stream < streams; ++stream) {
      emit({.opcode = Opcode::wait, .event = record(stream)});
    }
    const int all = record(0);
    for (int stream = 1; stream < streams; ++stream) {
      emit({.opcode = Opcode::wait, .stream = stream, .event = all});
    }
  }

  int record(int stream) {
    emit({.opcode = Opcode::record, .stream = stream, .event = all_.events});
    return all_.events++;
  }
  void emit(const Instruction& instruction) { all_.instructions.push_back(instruction); }

  const RankProgram& step_;
  RankProgram& all_;
  const std::size_t validation_;
  Run run_;
};

}  // namespace

Program unroll(const Program& program, const std::vector<Verdict>& verdicts) {
  if (std::ranges::find(verdicts, Verdict::refused) != verdicts.end()) {
    throw InvalidArgument("unroll: a refused update ends a run, so no step follows it");
  }
  Program all = program;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    all.ranks[rank] = {};
    Unrolling(program.ranks[rank], all.ranks[rank]).run(verdicts);
  }
  return all;
}

Program unroll(const Program& program, std::size_t steps) {
  if (steps < 1) {
    throw InvalidArgument("unroll: 0 steps; there must be at least 1");
  }
  return unroll(program, std::vector<Verdict>(steps - 1, Verdict::accepted));
}

}  // namespace lockflight::plan
