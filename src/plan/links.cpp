#include "plan/links.h"

#include <algorithm>
#include <numeric>

namespace lockflight::plan {

Links links_of(const Program& program, int rank) {
  const RankProgram& own = program.ranks[rank];
  Links links;
  std::vector<bool> ties(own.streams.size(), false);
  for (const Instruction& instruction : own.instructions) {
    if (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0) {
      const auto [low, high] = std::minmax(rank, instruction.peer);
      links.groups.push_back(
          {.members = {low, high}, .channel = own.streams[instruction.stream].channel});
      ties[instruction.stream] = true;
    }
  }
  for (std::size_t stream = 1; stream < own.streams.size(); ++stream) {
    if (!ties[stream]) {
      links.edges.push_back({.peer = own.streams[stream].peer,
                             .channel = own.streams[stream].channel,
                             .sends = own.streams[stream].sends});
    }
  }
  if (validates(program)) {
    return links;
  }
  Links::Group all{.members = std::vector<int>(program.ranks.size()), .channel = kNormChannel};
  std::iota(all.members.begin(), all.members.end(), 0);
  links.groups.push_back(std::move(all));
  return links;
}

}  // namespace lockflight::plan
