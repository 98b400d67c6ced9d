#include "plan/lower_update.h"

#include "plan/rank_writer.h"

namespace lockflight::plan {
namespace {

class UpdateInSchedule {
 public:
  UpdateInSchedule(Program& program, int rank, int first_channel)
      : here_(program.ranks[rank]),
        rank_(rank),
        last_(static_cast<int>(program.ranks.size()) - 1),
        first_channel_(first_channel) {}

  void append() {
    here_.emit({.opcode = Opcode::gradient_sums});
    if (rank_ > 0) {
      add_those_in_front();
    }
    const int passed_on = rank_ < last_ ? pass_on() : -1;
    const int told = rank_ < last_ ? hear() : read(0);
    const int told_on = rank_ > 0 ? tell(told) : -1;
    here_.emit({.opcode = Opcode::update});
    if (rank_ < last_) {
      here_.wait(0, passed_on);
    }
    if (last_ > 0) {
      here_.wait(0, rank_ > 0 ? told_on : told);  // what is told on has been told
    }
    here_.emit({.opcode = Opcode::validate, .event = told});
  }

 private:
  void add_those_in_front() {
    const int stream =
        here_.add_stream({.peer = rank_ - 1, .channel = up(rank_ - 1), .sends = false});
    here_.emit({.opcode = Opcode::recv_sums, .stream = stream, .peer = rank_ - 1});
    here_.wait(0, here_.record(stream));
    here_.emit({.opcode = Opcode::add_sums});
  }

  int pass_on() {
    const int stream = here_.add_stream({.peer = rank_ + 1, .channel = up(rank_), .sends = true});
    known_ = here_.record(0);
    here_.wait(stream, known_);
    here_.emit({.opcode = Opcode::send_sums, .stream = stream, .peer = rank_ + 1});
    return here_.record(stream);
  }

  // What all ranks have comes from behind.
  int hear() {
    const int stream =
        here_.add_stream({.peer = rank_ + 1, .channel = down(rank_), .sends = false});
    here_.wait(stream, known_);
    here_.emit({.opcode = Opcode::recv_sums, .stream = stream, .peer = rank_ + 1});
    return read(stream);
  }

  int read(int stream) {
    here_.emit({.opcode = Opcode::read_sums, .stream = stream});
    return here_.record(stream);
  }

  int tell(int told) {
    const int stream =
        here_.add_stream({.peer = rank_ - 1, .channel = down(rank_ - 1), .sends = true});
    here_.wait(stream, told);
    here_.emit({.opcode = Opcode::send_sums, .stream = stream, .peer = rank_ - 1});
    return here_.record(stream);
  }

  // Between a rank and the one behind it.
  int up(int rank) const { return first_channel_ + 2 * rank; }
  int down(int rank) const { return up(rank) + 1; }

  RankWriter here_;
  const int rank_;
  const int last_;
  const int first_channel_;
  int known_ = -1;  // the event after which the rank knows all sums up to its own
};

}  // namespace

void append_update_in_schedule(Program& program, int rank, int first_channel) {
  UpdateInSchedule(program, rank, first_channel).append();
}

}  // namespace lockflight::plan
