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

std::size_t update_phase(const RankProgram& rank) {
  const auto begins = [](const Instruction& instruction) {
    return instruction.opcode == Opcode::gradient_norm || instruction.opcode == Opcode::update;
  };
  return static_cast<std::size_t>(std::ranges::find_if(rank.instructions, begins) -
                                  rank.instructions.begin());
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
