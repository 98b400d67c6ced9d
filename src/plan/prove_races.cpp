// check_races of proving.h.
//
// One pass in the order of the host, which is one of the orders in which a rank can run: a wait
// refers to an earlier record.  Every stream has a clock: for every stream of the rank, up to which
// instruction it is known to be over.  An instruction's time is its position.

#include <algorithm>

#include "plan/boundaries.h"
#include "plan/copies.h"
#include "plan/proving.h"

namespace lockflight::plan {
namespace {

class RaceCheck {
 public:
  RaceCheck(const Program& program, int rank, Findings& findings)
      : program_(program),
        here_(program.ranks[rank]),
        rank_(rank),
        findings_(findings),
        streams_(here_.streams.size()),
        stages_(program.placement.stages_of(rank)),
        ties_(ties_on(program, rank)),
        clocks_(streams_ * streams_, 0),
        events_(here_.events),
        first_sum_(here_.slots.size() + ties_.size()),
        first_gradient_(first_sum_ + kSums),
        first_kept_(first_gradient_ + stages_.size()),
        buffers_(first_kept_ + stages_.size() * static_cast<std::size_t>(program.micro_batches)) {
    for (const Instruction& instruction : here_.instructions) {
      if (instruction.opcode == Opcode::wait) {
        ++events_[instruction.event].waits_left;
      }
    }
  }

  void run() {
    for (position_ = 0; position_ < here_.instructions.size(); ++position_) {
      now_ = &here_.instructions[position_];
      visit();
    }
  }

 private:
  // Sums of squares, each set with memory of its own: those of the ranks up to this one, those that
  // came from the one in front, and those of all ranks.
  enum class Sums : std::uint8_t { known, received, all };
  static constexpr std::size_t kSums = 3;

  struct Event {
    Number recorded_at = kNone;  // position
    Number clock = kNone;        // its row in kept_, from the record to the last wait
    Number waits_left = 0;
  };
  struct Access {
    Number position = kNone;
    Number next = kNone;  // in reads_: the read before it
  };
  // The last write to a buffer's bytes and all reads since.
  struct Buffer {
    Number write = kNone;
    Number reads = kNone;  // the latest in reads_
  };

  template <typename... Values>
  void wrong(fmt::format_string<Values...> why, Values&&... values) {
    findings_.add(
        Finding::Kind::race,
        {.rank = rank_, .stream = now_->stream, .position = static_cast<std::ptrdiff_t>(position_)},
        "{} {}", to_string(*now_), fmt::format(why, std::forward<Values>(values)...));
  }

  void visit() {
    switch (now_->opcode) {
      case Opcode::record:
        return record(events_[now_->event]);
      case Opcode::wait:
        return wait(events_[now_->event]);
      case Opcode::compute:
        return compute();
      case Opcode::send:
        return read(now_->slot);
      case Opcode::allocate:
      case Opcode::release:
      case Opcode::recv:
        return write(now_->slot);
      case Opcode::reduce_tied:
        return reduce_tied();
      case Opcode::gradient_sums:
        write(buffer_of(Sums::known));
        return touch_gradients();
      case Opcode::validate:
        read(buffer_of(of_all()));
        return touch_gradients();
      case Opcode::update:
        read(buffer_of(Sums::known));
        return touch_gradients();
      case Opcode::gradient_norm:
        return touch_gradients();
      case Opcode::send_sums:
        return read(buffer_of(now_->peer > rank_ ? Sums::known : of_all()));
      case Opcode::recv_sums:
        return write(buffer_of(now_->peer < rank_ ? Sums::received : Sums::all));
      case Opcode::add_sums:
        read(buffer_of(Sums::received));
        return write(buffer_of(Sums::known));
      case Opcode::read_sums:
        return read(buffer_of(of_all()));
    }
  }

  // A tie of two copies adds up all gradients of a stage, those of other ties among them.
  void reduce_tied() {
    const TiedStages& tie = program_.ties[now_->slot];
    if (!ties_copies(program_.placement, tie)) {
      return write(buffer_of_tie(now_->slot));
    }
    for (const int stage : {tie.first, tie.second}) {
      if (program_.placement.rank_of(stage) == rank_) {
        write_ties(stage);
        write(buffer_of_gradients(stage));
      }
    }
  }

  void touch_gradients() {
    for (const int tie : ties_) {
      write(buffer_of_tie(tie));
    }
    for (const int stage : stages_) {
      write(buffer_of_gradients(stage));
    }
  }

  void compute() {
    if (now_->slot >= 0) {
      write(now_->slot);  // it gives the slot's memory back
    }
    if (now_->output >= 0) {
      write(now_->output);
    }
    write(buffer_of_kept(now_->action));
    if (gives_weight_gradient(now_->action.kind)) {
      write(buffer_of_gradients(now_->action.stage));
      write_ties(now_->action.stage);
    }
  }

  // Those with an end in a stage.
  void write_ties(int stage) {
    for (const int tie : ties_) {
      if (program_.ties[tie].first == stage || program_.ties[tie].second == stage) {
        write(buffer_of_tie(tie));
      }
    }
  }

  void record(Event& event) {
    if (event.recorded_at != kNone) {
      wrong("repeats instruction {}; an event is recorded once in a step", event.recorded_at);
    }
    event.recorded_at = static_cast<Number>(position_);
    if (event.waits_left == 0) {
      return;
    }
    if (event.clock == kNone) {
      if (free_rows_.empty()) {
        free_rows_.push_back(static_cast<Number>(kept_.size() / streams_));
        kept_.resize(kept_.size() + streams_);
      }
      event.clock = free_rows_.back();
      free_rows_.pop_back();
    }
    const auto row = kept_.begin() + static_cast<std::ptrdiff_t>(event.clock * streams_);
    std::copy_n(clock(now_->stream), streams_, row);
    row[now_->stream] = static_cast<Number>(position_) + 1;
  }

  void wait(Event& event) {
    --event.waits_left;
    if (event.clock == kNone) {
      return wrong("holds nothing up, because the event is not recorded before it");
    }
    const auto row = kept_.begin() + static_cast<std::ptrdiff_t>(event.clock * streams_);
    const auto mine = clock(now_->stream);
    std::transform(mine, mine + static_cast<std::ptrdiff_t>(streams_), row, mine,
                   [](Number a, Number b) { return std::max(a, b); });
    if (event.waits_left == 0) {
      free_rows_.push_back(event.clock);
    }
  }

  // For every stream, how many instructions of the rank are known to be over as far as they are on
  // that stream.
  std::vector<Number>::iterator clock(int stream) {
    return clocks_.begin() + static_cast<std::ptrdiff_t>(stream * streams_);
  }

  bool is_over(Number position) {
    const int stream = here_.instructions[position].stream;
    return stream == now_->stream || clock(now_->stream)[stream] > position;
  }

  void expect_over(Number position, int buffer) {
    if (!is_over(position)) {
      const Instruction& other = here_.instructions[position];
      wrong("touches {} like {} (stream {}, instruction {}), and no record and wait order the two",
            name_of(buffer), to_string(other), other.stream, position);
    }
  }

  void read(int buffer) {
    Buffer& at = buffers_[buffer];
    if (at.write != kNone) {
      expect_over(at.write, buffer);
    }
    reads_.push_back({.position = static_cast<Number>(position_), .next = at.reads});
    at.reads = static_cast<Number>(reads_.size() - 1);
  }

  void write(int buffer) {
    Buffer& at = buffers_[buffer];
    if (at.write != kNone) {
      expect_over(at.write, buffer);
    }
    for (Number i = at.reads; i != kNone; i = reads_[i].next) {
      expect_over(reads_[i].position, buffer);
    }
    at = {.write = static_cast<Number>(position_)};
  }

  int buffer_of_tie(int tie) const {
    return static_cast<int>(here_.slots.size()) +
           static_cast<int>(std::ranges::lower_bound(ties_, tie) - ties_.begin());
  }

  // The last rank's own are those of all, when it has added the others.
  Sums of_all() const { return rank_ + 1 < program_.placement.ranks() ? Sums::all : Sums::known; }

  int buffer_of(Sums sums) const { return static_cast<int>(first_sum_) + static_cast<int>(sums); }

  std::size_t index_of(int stage) const {
    return static_cast<std::size_t>(std::ranges::lower_bound(stages_, stage) - stages_.begin());
  }

  int buffer_of_gradients(int stage) const {
    return static_cast<int>(first_gradient_ + index_of(stage));
  }

  int buffer_of_kept(const schedule::Action& action) const {
    return static_cast<int>(first_kept_ + index_of(action.stage) * program_.micro_batches +
                            static_cast<std::size_t>(action.micro_batch));
  }

  std::string name_of(int buffer) const {
    const auto number = static_cast<std::size_t>(buffer);
    if (number >= first_kept_) {
      const std::size_t kept = number - first_kept_;
      return fmt::format("what stage {} keeps of micro-batch {}",
                         stages_[kept / program_.micro_batches], kept % program_.micro_batches);
    }
    if (number >= first_gradient_) {
      return fmt::format("the gradients of stage {}", stages_[number - first_gradient_]);
    }
    if (number >= first_sum_) {
      return "the sums of squares";
    }
    return number < here_.slots.size()
               ? fmt::format("slot {}", buffer)
               : fmt::format("the gradients of tie {}", ties_[number - here_.slots.size()]);
  }

  const Program& program_;
  const RankProgram& here_;
  const int rank_;
  Findings& findings_;
  const std::size_t streams_;
  const std::vector<int>& stages_;  // of this rank
  const std::vector<int> ties_;     // with a copy on this rank
  std::vector<Number> clocks_;      // a row for each stream
  std::vector<Event> events_;
  std::vector<Number> kept_;  // a row for each event that is still waited for
  std::vector<Number> free_rows_;
  const std::size_t first_sum_;
  const std::size_t first_gradient_;
  const std::size_t first_kept_;
  std::vector<Buffer> buffers_;  // slots, ties, sums, stages' gradients, what stages keep
  std::vector<Access> reads_;
  std::size_t position_ = 0;
  const Instruction* now_ = nullptr;
};

}  // namespace

void check_races(const Program& program, int rank, Findings& findings) {
  RaceCheck(program, rank, findings).run();
}

}  // namespace lockflight::plan
