// Appends to one rank's program.

#pragma once

#include "lockflight/plan/program.h"

namespace lockflight::plan {

class RankWriter {
 public:
  explicit RankWriter(RankProgram& program) : program_(program) {}

  void emit(const Instruction& instruction) { program_.instructions.push_back(instruction); }

  /// Returns the event, which is new.
  int record(int stream) {
    const int event = program_.events++;
    emit({.opcode = Opcode::record, .stream = stream, .event = event});
    return event;
  }
  void wait(int stream, int event) {
    emit({.opcode = Opcode::wait, .stream = stream, .event = event});
  }
  /// What follows on `later` starts when `earlier` has got here.
  void order_after(int earlier, int later) { wait(later, record(earlier)); }

  // Return the number of what they add.

  int add_stream(const StreamUse& use) {
    program_.streams.push_back(use);
    return static_cast<int>(program_.streams.size()) - 1;
  }
  int add_slot(const Boundary& boundary) {
    program_.slots.push_back(boundary);
    return static_cast<int>(program_.slots.size()) - 1;
  }

 private:
  RankProgram& program_;
};

}  // namespace lockflight::plan
