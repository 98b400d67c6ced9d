#include "plan/stream_order.h"

namespace lockflight::plan {

StreamOrder::StreamOrder(const Program& program) {
  count(program);
  connect(program.channels);
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    sort(program.ranks[rank], rank);
  }
}

void StreamOrder::count(const Program& program) {
  std::size_t instructions = 0;
  std::size_t events = 0;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    const RankProgram& rank_program = program.ranks[rank];
    first_instruction.push_back(instructions);
    first_event.push_back(events);
    first_stream.push_back(static_cast<int>(streams.size()));
    for (const auto& stream : rank_program.streams) {
      streams.push_back({.rank = static_cast<int>(rank), .channel = stream.channel});
    }
    instructions += rank_program.instructions.size();
    events += rank_program.events;
  }
  first_instruction.push_back(instructions);
  first_event.push_back(events);
  positions.resize(instructions);
}

// The two ends of each channel.
void StreamOrder::connect(int channels) {
  std::vector<int> ends(channels, -1);
  for (int number = 0; number < static_cast<int>(streams.size()); ++number) {
    Stream& stream = streams[number];
    if (stream.channel < 0) {
      continue;
    }
    int& end = ends[stream.channel];
    if (end < 0) {
      end = number;
    } else {
      stream.partner = end;
      streams[end].partner = number;
    }
  }
}

void StreamOrder::sort(const RankProgram& program, std::size_t rank) {
  Stream* const here = &streams[first_stream[rank]];
  const auto stream_of = [&](const Instruction& instruction) -> Stream& {
    return here[computes(program.streams[instruction.stream]) ? 0 : instruction.stream];
  };
  for (const Instruction& instruction : program.instructions) {
    ++stream_of(instruction).end;
  }
  std::size_t begin = first_instruction[rank];
  for (std::size_t i = 0; i < program.streams.size(); ++i) {
    const std::size_t length = here[i].end;
    here[i].begin = here[i].end = begin;
    begin += length;
  }
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    positions[stream_of(program.instructions[i]).end++] = static_cast<std::uint32_t>(i);
  }
}

}  // namespace lockflight::plan
