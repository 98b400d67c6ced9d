// Helpers of the proof's tests.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/prove.h"
#include "lockflight/schedule/registry.h"

namespace lockflight::plan {

/// One line a finding; empty if the program is proved.
inline std::string text_of(const Proof& proof) {
  std::string text;
  for (const Finding& finding : proof.findings) {
    text += to_string(finding.kind) + ": " + to_string(finding) + "\n";
  }
  return text;
}

/// 1F1B of three ranks and four micro-batches, first and last stage tied.
inline Program tied_program() {
  return lower(schedule::make_schedule("1f1b", {.ranks = 3, .micro_batches = 4}),
               {{.first = 0, .second = 2}});
}

/// The rank's first instruction that reads so in a listing, or starts so.
inline std::size_t find(const Program& program, int rank, const std::string& text) {
  const auto& instructions = program.ranks[rank].instructions;
  return static_cast<std::size_t>(
      std::ranges::find_if(instructions,
                           [&](const Instruction& instruction) {
                             return to_string(instruction).starts_with(text);
                           }) -
      instructions.begin());
}

/// Takes an instruction out; returns it.
inline Instruction take(Program& program, int rank, std::size_t position) {
  auto& instructions = program.ranks[rank].instructions;
  const Instruction taken = instructions.at(position);
  instructions.erase(instructions.begin() + static_cast<std::ptrdiff_t>(position));
  return taken;
}

inline void put(Program& program, int rank, std::size_t position, const Instruction& instruction) {
  auto& instructions = program.ranks[rank].instructions;
  instructions.insert(instructions.begin() + static_cast<std::ptrdiff_t>(position), instruction);
}

/// Moves an instruction so that it stands where `to` stands now.
inline void move(Program& program, int rank, std::size_t from, std::size_t to) {
  const Instruction moved = take(program, rank, from);
  put(program, rank, from < to ? to - 1 : to, moved);
}

}  // namespace lockflight::plan
