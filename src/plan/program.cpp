#include "lockflight/plan/program.h"

#include <algorithm>

#include <fmt/format.h>

namespace lockflight::plan {

using schedule::ActionKind;

schedule::Action send_action(const Boundary& boundary) {
  return boundary.kind == Boundary::Kind::activation
             ? schedule::Action{boundary.stage, ActionKind::send_forward, boundary.micro_batch}
             : schedule::Action{boundary.stage + 1, ActionKind::send_backward,
                                boundary.micro_batch};
}

schedule::Action recv_action(const Boundary& boundary) {
  return boundary.kind == Boundary::Kind::activation
             ? schedule::Action{boundary.stage + 1, ActionKind::recv_forward, boundary.micro_batch}
             : schedule::Action{boundary.stage, ActionKind::recv_backward, boundary.micro_batch};
}

bool recomputes_before(const Program& program, int stage, int stream) {
  return stream == 0 && !program.recomputes.empty() && program.recomputes[stage];
}

bool validates(const Program& program) {
  return !program.ranks.empty() && !program.ranks.front().instructions.empty() &&
         program.ranks.front().instructions.back().opcode == Opcode::validate;
}

std::size_t update_phase(const RankProgram& rank) {
  const auto begins = [](const Instruction& instruction) {
    return instruction.opcode == Opcode::gradient_norm ||
           instruction.opcode == Opcode::gradient_sums || instruction.opcode == Opcode::update;
  };
  return static_cast<std::size_t>(std::ranges::find_if(rank.instructions, begins) -
                                  rank.instructions.begin());
}

std::size_t validation_phase(const RankProgram& rank) {
  const auto update = std::ranges::find(rank.instructions, Opcode::update, &Instruction::opcode);
  return update == rank.instructions.end()
             ? rank.instructions.size()
             : static_cast<std::size_t>(update - rank.instructions.begin()) + 1;
}

std::string to_string(const Instruction& instruction) {
  switch (instruction.opcode) {
    case Opcode::compute:
      return fmt::format("compute {}", schedule::to_string(instruction.action));
    case Opcode::allocate:
      return fmt::format("allocate slot {}", instruction.slot);
    case Opcode::send:
      return fmt::format("send {} slot {} to rank {}", schedule::to_string(instruction.action),
                         instruction.slot, instruction.peer);
    case Opcode::recv:
      return fmt::format("recv {} slot {} from rank {}", schedule::to_string(instruction.action),
                         instruction.slot, instruction.peer);
    case Opcode::record:
      return fmt::format("record event {}", instruction.event);
    case Opcode::wait:
      return fmt::format("wait event {}", instruction.event);
    case Opcode::release:
      return fmt::format("release slot {}", instruction.slot);
    case Opcode::reduce_tied:
      return fmt::format("reduce_tied {}", instruction.slot);
    case Opcode::gradient_norm:
      return "gradient_norm";
    case Opcode::update:
      return "update";
    case Opcode::gradient_sums:
      return "gradient_sums";
    case Opcode::send_sums:
      return fmt::format("send_sums to rank {}", instruction.peer);
    case Opcode::recv_sums:
      return fmt::format("recv_sums from rank {}", instruction.peer);
    case Opcode::add_sums:
      return "add_sums";
    case Opcode::read_sums:
      return "read_sums";
    case Opcode::validate:
      return "validate";
  }
  return "?";
}

std::string to_string(const Program& program) {
  std::string text;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    text += fmt::format("rank {}\n", rank);
    for (const Instruction& instruction : program.ranks[rank].instructions) {
      text += fmt::format("  stream {}: {}\n", instruction.stream, to_string(instruction));
    }
  }
  return text;
}

}  // namespace lockflight::plan
