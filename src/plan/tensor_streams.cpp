// streams_of of plan/place.h.

#include <algorithm>
#include <array>
#include <utility>

#include "lockflight/plan/place.h"

namespace lockflight::plan {
namespace {

// Up to which instruction each of the two compute streams is known to be over.
using Known = std::array<std::int32_t, 2>;

// What one compute stream learns of the other: from this instruction on, that it is over up to
// `until`.
struct Lesson {
  std::int32_t from;
  std::int32_t until;
};

class ComputeOrder {
 public:
  explicit ComputeOrder(const RankProgram& program)
      : program_(program), known_(program.streams.size()), events_(program.events) {
    for (std::size_t i = 0; i < program.instructions.size(); ++i) {
      visit(static_cast<std::int32_t>(i), program.instructions[i]);
    }
  }

  /// 0 for stream 0, 1 for the other one that computes, -1 for those that do not.
  int number_of(int stream) const {
    return stream == 0 ? 0 : computes(program_.streams[stream]) ? 1 : -1;
  }

  /// From which instruction on the other compute stream comes after this one.
  std::int32_t settled(std::int32_t position, int compute) const {
    const std::vector<Lesson>& lessons = lessons_[1 - compute];
    const auto lesson = std::ranges::upper_bound(lessons, position, {}, &Lesson::until);
    return lesson == lessons.end() ? std::numeric_limits<std::int32_t>::max() : lesson->from;
  }

 private:
  void visit(std::int32_t position, const Instruction& instruction) {
    Known& known = known_[instruction.stream];
    const int compute = number_of(instruction.stream);
    if (instruction.opcode == Opcode::record) {
      Known& event = events_[instruction.event] = known;
      if (compute >= 0) {
        event[compute] = position + 1;
      }
    } else if (instruction.opcode == Opcode::wait) {
      const Known& event = events_[instruction.event];
      if (compute >= 0 && event[1 - compute] > known[1 - compute]) {
        lessons_[compute].push_back({.from = position, .until = event[1 - compute]});
      }
      known = {std::max(known[0], event[0]), std::max(known[1], event[1])};
    }
  }

  const RankProgram& program_;
  std::vector<Known> known_;                    // by stream
  std::vector<Known> events_;                   // what was over when it was recorded
  std::array<std::vector<Lesson>, 2> lessons_;  // of a compute stream, ascending
};

}  // namespace

std::vector<TensorStreams> streams_of(const RankProgram& program,
                                      std::span<const BufferLife> buffers) {
  if (std::ranges::count_if(program.streams, computes) < 2) {
    return {};
  }
  const ComputeOrder order(program);
  const auto compute_of = [&](std::int32_t position) {
    return position < 0 ? 0 : std::max(0, order.number_of(program.instructions[position].stream));
  };
  std::vector<TensorStreams> streams;
  for (const BufferLife& buffer : buffers) {
    TensorStreams& tensor = streams.emplace_back();
    tensor.taken_on = compute_of(buffer.action);
    tensor.given_back_on = compute_of(buffer.freed_by);
    tensor.settled = order.settled(buffer.freed_by, tensor.given_back_on);
  }
  return streams;
}

}  // namespace lockflight::plan
