// check_progress of proving.h.
//
// Runs the program without its computes: every stream goes on until it stands at a wait whose event
// is not passed, or at a transfer whose partner is not there; whoever passes the event, or comes to
// the other end, lets it go on.  Each instruction is passed once.  What any stream waits for does
// not depend on the order in which streams are looked at, so one run decides.

#include <algorithm>
#include <optional>

#include "plan/boundaries.h"
#include "plan/proving.h"

namespace lockflight::plan {
namespace {

bool meets_a_peer(const Instruction& instruction) {
  return instruction.opcode == Opcode::send || instruction.opcode == Opcode::recv ||
         (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0);
}

bool can_hold(const Instruction& instruction) {
  return instruction.opcode == Opcode::record || instruction.opcode == Opcode::wait ||
         instruction.opcode == Opcode::gradient_norm || meets_a_peer(instruction);
}

// Whether two instructions of ranks a and b are the two ends of something.
bool belong_together(const Instruction& mine, int a, const Instruction& theirs, int b) {
  if (!meets_a_peer(mine) || !meets_a_peer(theirs) || mine.peer != b || theirs.peer != a) {
    return false;
  }
  switch (mine.opcode) {
    case Opcode::send:
      return theirs.opcode == Opcode::recv;
    case Opcode::recv:
      return theirs.opcode == Opcode::send;
    default:
      return theirs.opcode == Opcode::reduce_tied;
  }
}

class ProgressCheck {
 public:
  ProgressCheck(const Program& program, Findings& findings)
      : program_(program), findings_(findings) {
    reserve();
    for (int rank = 0; rank < ranks(); ++rank) {
      add_rank(rank);
    }
    waiter_.assign(recorded_at_.size(), kNone);
    at_norm_.reserve(program.ranks.size());
  }

  void run() {
    for (Number stream = 0; stream < streams_.size(); ++stream) {
      ready_.push_back(stream);
    }
    while (!ready_.empty()) {
      const Number stream = ready_.back();
      ready_.pop_back();
      advance(stream);
    }
    report_stuck();
  }

 private:
  struct StreamState {
    int rank = 0;
    int number = 0;        // on its rank
    std::size_t next = 0;  // in order_
    std::size_t end = 0;
    Number next_waiter = kNone;  // for the same event
    bool posted = false;         // stands at a transfer
  };
  // An instruction of a rank.
  struct Point {
    int rank = 0;
    std::ptrdiff_t position = 0;
    friend bool operator==(const Point&, const Point&) = default;
  };

  // A rank's streams by channel, ascending.
  struct ChannelEnd {
    int channel = 0;
    Number stream = 0;
  };

  int ranks() const { return static_cast<int>(program_.ranks.size()); }

  // The tables are as long as the program: they must not be copied while they grow.
  void reserve() {
    std::size_t instructions = 0;
    std::size_t events = 0;
    for (const RankProgram& rank : program_.ranks) {
      instructions += static_cast<std::size_t>(std::ranges::count_if(rank.instructions, can_hold));
      events += rank.events;
    }
    order_.reserve(instructions);
    recorded_at_.reserve(events);
  }

  void add_rank(int rank) {
    const RankProgram& here = program_.ranks[rank];
    first_stream_.push_back(static_cast<Number>(streams_.size()));
    first_event_.push_back(recorded_at_.size());
    recorded_at_.resize(recorded_at_.size() + here.events, kNone);
    std::vector<std::size_t> counts(here.streams.size(), 0);
    for (const Instruction& instruction : here.instructions) {
      counts[instruction.stream] += can_hold(instruction) ? 1 : 0;
    }
    std::vector<ChannelEnd>& ends = ends_.emplace_back();
    std::size_t begin = order_.size();
    for (std::size_t number = 0; number < counts.size(); ++number) {
      if (number > 0) {
        ends.push_back({here.streams[number].channel, static_cast<Number>(streams_.size())});
      }
      streams_.push_back({.rank = rank,
                          .number = static_cast<int>(number),
                          .next = begin,
                          .end = begin + counts[number]});
      begin += counts[number];
    }
    std::ranges::sort(ends, {}, &ChannelEnd::channel);
    order_.resize(begin);
    sort_instructions(rank);
  }

  // Lists a rank's instructions by stream, and where its events are recorded.
  void sort_instructions(int rank) {
    const RankProgram& here = program_.ranks[rank];
    std::vector<std::size_t> to;
    for (std::size_t number = 0; number < here.streams.size(); ++number) {
      to.push_back(streams_[first_stream_[rank] + number].next);
    }
    for (std::size_t position = 0; position < here.instructions.size(); ++position) {
      const Instruction& instruction = here.instructions[position];
      if (!can_hold(instruction)) {
        continue;
      }
      order_[to[instruction.stream]++] = static_cast<Number>(position);
      if (instruction.opcode == Opcode::record) {
        Number& recorded_at = recorded_at_[first_event_[rank] + instruction.event];
        recorded_at = std::min(recorded_at, static_cast<Number>(position));
      }
    }
  }

  const Instruction& at(const StreamState& stream) const {
    return program_.ranks[stream.rank].instructions[order_[stream.next]];
  }

  // Passes what a stream can pass.
  void advance(Number number) {
    StreamState& stream = streams_[number];
    while (stream.next < stream.end) {
      const Instruction& instruction = at(stream);
      if (instruction.opcode == Opcode::record) {
        pass_event(stream, instruction);
      } else if (instruction.opcode == Opcode::wait ? !passes_wait(number, instruction)
                                                    : !meets(number, instruction)) {
        return;
      }
      ++stream.next;
    }
  }

  void pass_event(const StreamState& stream, const Instruction& instruction) {
    const std::size_t event = first_event_[stream.rank] + instruction.event;
    Number waiter = std::exchange(waiter_[event], kPassed);
    while (waiter != kNone && waiter != kPassed) {
      ready_.push_back(waiter);
      waiter = std::exchange(streams_[waiter].next_waiter, kNone);
    }
  }

  bool passes_wait(Number number, const Instruction& instruction) {
    StreamState& stream = streams_[number];
    const std::size_t event = first_event_[stream.rank] + instruction.event;
    const Number recorded_at = recorded_at_[event];
    if (waiter_[event] == kPassed || recorded_at == kNone || recorded_at > order_[stream.next]) {
      return true;
    }
    stream.next_waiter = std::exchange(waiter_[event], number);
    return false;
  }

  // True when everybody has come; the others then go on, too.
  bool meets(Number number, const Instruction& instruction) {
    if (instruction.opcode == Opcode::gradient_norm) {
      return meets_all(number);
    }
    StreamState& stream = streams_[number];
    stream.posted = true;
    const Number partner_number = partner_of(stream, instruction);
    if (partner_number == kNone || !streams_[partner_number].posted) {
      return false;
    }
    StreamState& partner = streams_[partner_number];
    if (!belong_together(instruction, stream.rank, at(partner), partner.rank)) {
      return false;
    }
    check_same(stream, partner);
    stream.posted = partner.posted = false;
    ++partner.next;
    ready_.push_back(partner_number);
    return true;
  }

  bool meets_all(Number number) {
    at_norm_.push_back(number);
    if (at_norm_.size() < program_.ranks.size()) {
      return false;
    }
    for (const Number other : at_norm_) {
      if (other != number) {
        ++streams_[other].next;
        ready_.push_back(other);
      }
    }
    at_norm_.clear();
    return true;
  }

  // The stream of the peer on the same channel.
  Number partner_of(const StreamState& stream, const Instruction& instruction) const {
    const int channel = program_.ranks[stream.rank].streams[stream.number].channel;
    const std::vector<ChannelEnd>& ends = ends_[instruction.peer];
    const auto end = std::ranges::lower_bound(ends, channel, {}, &ChannelEnd::channel);
    return end == ends.end() || end->channel != channel ? kNone : end->stream;
  }

  // What meets must be the same boundary, or the same tie.
  void check_same(const StreamState& stream, const StreamState& partner) {
    const Instruction& mine = at(stream);
    const Instruction& theirs = at(partner);
    const bool same = mine.opcode == Opcode::reduce_tied ? mine.slot == theirs.slot
                                                         : boundary(stream) == boundary(partner);
    if (!same) {
      const bool sends = mine.opcode == Opcode::send;
      const StreamState& from = sends ? stream : partner;
      const StreamState& to = sends ? partner : stream;
      findings_.add(Finding::Kind::incomplete, place(to),
                    "{} meets {} of rank {} (instruction {}); both ends must use channel {} in the "
                    "same order",
                    to_string(at(to)), to_string(at(from)), from.rank, order_[from.next],
                    program_.ranks[to.rank].streams[to.number].channel);
    }
  }

  const Boundary& boundary(const StreamState& stream) const {
    return program_.ranks[stream.rank].slots[at(stream).slot];
  }

  Place place(const StreamState& stream) const {
    return {.rank = stream.rank,
            .stream = stream.number,
            .position = static_cast<std::ptrdiff_t>(order_[stream.next])};
  }

  // Every stuck stream waits for one other, or for nobody: following that leads into a circle or to
  // such a one.  Both are told, each once; the rest only stands behind them.
  void report_stuck() {
    find_absent();
    std::vector<Number> seen_from(streams_.size(), kNone);
    for (Number first = 0; first < streams_.size(); ++first) {
      Number stream = first;
      while (is_stuck(stream) && seen_from[stream] == kNone) {
        seen_from[stream] = first;
        const Number next = waits_for(streams_[stream]);
        if (next == kNone) {
          report_lonely(streams_[stream]);
          break;
        }
        stream = next;
      }
      if (is_stuck(stream) && seen_from[stream] == first && waits_for(streams_[stream]) != kNone) {
        report_circle(stream);
      }
    }
  }

  bool is_stuck(Number stream) const { return streams_[stream].next < streams_[stream].end; }

  // The stream that has to go on first; none if that has come to its end or is not there.
  Number waits_for(const StreamState& stream) const {
    const Instruction& instruction = at(stream);
    Number other = kNone;
    if (instruction.opcode == Opcode::wait) {
      const Number record = recorded_at_[first_event_[stream.rank] + instruction.event];
      other = first_stream_[stream.rank] + program_.ranks[stream.rank].instructions[record].stream;
    } else if (instruction.opcode == Opcode::gradient_norm) {
      other = first_stream_[absent_];
    } else {
      other = partner_of(stream, instruction);
    }
    return other != kNone && is_stuck(other) ? other : kNone;
  }

  // The first rank that does not stand at its norm.
  void find_absent() {
    std::vector<bool> present(program_.ranks.size(), false);
    for (const Number stream : at_norm_) {
      present[streams_[stream].rank] = true;
    }
    absent_ = static_cast<int>(std::ranges::find(present, false) - present.begin());
  }

  void report_lonely(const StreamState& stream) {
    const Point here = stand(stream);
    findings_.add(Finding::Kind::deadlock,
                  {.rank = here.rank, .stream = stream.number, .position = here.position},
                  "{} waits for {}, which never comes", to_string(at(here)), awaited_text(stream));
  }

  void report_circle(Number begin) {
    const std::vector<Number> circle = circle_of(begin);
    std::string sentence = "a circle:";
    std::optional<Point> told;
    for (const Number number : circle) {
      const StreamState& stream = streams_[number];
      const Point here = stand(stream);
      if (here != told) {
        sentence += fmt::format("{} rank {} stands at {}", told ? ";" : "", here.rank, text(here));
      }
      sentence += fmt::format(", which waits for {}", awaited_text(stream));
      told = awaited(stream);
    }
    const Point first = stand(streams_[circle.front()]);
    findings_.add(Finding::Kind::deadlock,
                  {.rank = first.rank, .stream = at(first).stream, .position = first.position},
                  "{}", sentence);
  }

  // From its first stream on.
  std::vector<Number> circle_of(Number begin) const {
    std::vector<Number> circle;
    Number stream = begin;
    do {
      circle.push_back(stream);
      stream = waits_for(streams_[stream]);
    } while (stream != begin);
    std::rotate(circle.begin(), std::ranges::min_element(circle), circle.end());
    return circle;
  }

  const Instruction& at(const Point& point) const {
    return program_.ranks[point.rank].instructions[point.position];
  }

  std::string text(const Point& point) const {
    return fmt::format("{} (stream {}, instruction {})", to_string(at(point)), at(point).stream,
                       point.position);
  }

  // What a stuck stream cannot do: a transfer, or what stands behind a wait.
  Point stand(const StreamState& stream) const {
    const auto& instructions = program_.ranks[stream.rank].instructions;
    const auto position = static_cast<std::ptrdiff_t>(order_[stream.next]);
    const auto held = std::find_if(
        instructions.begin() + position, instructions.end(), [&](const Instruction& instruction) {
          return instruction.stream == stream.number && !is_order(instruction);
        });
    return {stream.rank, held == instructions.end() ? position : held - instructions.begin()};
  }

  // What it waits for: the other end, or what stands in front of the record.
  std::optional<Point> awaited(const StreamState& stream) const {
    const Instruction& mine = at(stream);
    if (mine.opcode == Opcode::wait) {
      return before_record(stream.rank, recorded_at_[first_event_[stream.rank] + mine.event]);
    }
    const Number partner_number =
        mine.opcode == Opcode::gradient_norm ? kNone : partner_of(stream, mine);
    if (partner_number != kNone) {
      const StreamState& partner = streams_[partner_number];
      for (std::size_t i = partner.next; i < partner.end; ++i) {
        const Point point{partner.rank, static_cast<std::ptrdiff_t>(order_[i])};
        if (belong_together(mine, stream.rank, at(point), partner.rank)) {
          return point;
        }
      }
    }
    return std::nullopt;
  }

  Point before_record(int rank, std::ptrdiff_t record) const {
    const auto& instructions = program_.ranks[rank].instructions;
    for (std::ptrdiff_t position = record; position-- > 0;) {
      if (instructions[position].stream == instructions[record].stream &&
          !is_order(instructions[position])) {
        return {rank, position};
      }
    }
    return {rank, record};
  }

  static bool is_order(const Instruction& instruction) {
    return instruction.opcode == Opcode::record || instruction.opcode == Opcode::wait;
  }

  std::string awaited_text(const StreamState& stream) const {
    const Instruction& mine = at(stream);
    if (mine.opcode == Opcode::gradient_norm) {
      return fmt::format("that of rank {}", absent_);
    }
    if (const auto point = awaited(stream)) {
      return (point->rank == stream.rank ? "" : fmt::format("rank {}'s ", point->rank)) +
             text(*point);
    }
    return fmt::format("{} rank {} on channel {}",
                       mine.opcode == Opcode::send   ? "a recv of"
                       : mine.opcode == Opcode::recv ? "a send of"
                                                     : "the same tie on",
                       mine.peer, program_.ranks[stream.rank].streams[stream.number].channel);
  }

  static constexpr Number kPassed = kNone - 1;

  const Program& program_;
  Findings& findings_;
  std::vector<StreamState> streams_;      // of all ranks
  std::vector<Number> first_stream_;      // by rank
  std::vector<std::size_t> first_event_;  // by rank
  std::vector<Number> order_;             // positions of what can hold a stream, by stream
  std::vector<Number> recorded_at_;       // position, by event of all ranks
  std::vector<Number> waiter_;  // by event: the first of the streams that wait, or kPassed
  std::vector<std::vector<ChannelEnd>> ends_;  // by rank
  std::vector<Number> at_norm_;                // streams
  int absent_ = 0;                             // a rank that others wait for at the norm
  std::vector<Number> ready_;
};

}  // namespace

void check_progress(const Program& program, Findings& findings) {
  ProgressCheck(program, findings).run();
}

}  // namespace lockflight::plan
