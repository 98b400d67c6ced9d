// report_stuck of progress.h.

#include <algorithm>
#include <optional>
#include <string>

#include "plan/progress.h"

namespace lockflight::plan {
namespace {

using StreamState = Progress::StreamState;

bool is_order(const Instruction& instruction) {
  return instruction.opcode == Opcode::record || instruction.opcode == Opcode::wait;
}

// An instruction of a rank.
struct Point {
  int rank = 0;
  std::ptrdiff_t position = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

class StuckReport {
 public:
  StuckReport(const Progress& progress, Findings& findings)
      : progress_(progress),
        streams_(progress.streams()),
        findings_(findings),
        absent_(progress.absent_from_norm()) {}

  // Every stuck stream waits for one other, or for nobody: following that leads into a circle or to
  // such a one.  Both are told, each once; the rest only stands behind them.
  void run() {
    std::vector<Number> seen_from(streams_.size(), kNone);
    for (Number first = 0; first < streams_.size(); ++first) {
      Number stream = first;
      while (progress_.is_stuck(streams_[stream]) && seen_from[stream] == kNone) {
        seen_from[stream] = first;
        const Number next = waits_for(streams_[stream]);
        if (next == kNone) {
          report_lonely(streams_[stream]);
          break;
        }
        stream = next;
      }
      if (progress_.is_stuck(streams_[stream]) && seen_from[stream] == first &&
          waits_for(streams_[stream]) != kNone) {
        report_circle(stream);
      }
    }
  }

 private:
  // The stream that has to go on first; none if that has come to its end or is not there.
  Number waits_for(const StreamState& stream) const {
    const Opcode opcode = progress_.at(stream).opcode;
    const Number other =
        opcode == Opcode::wait
            ? progress_.stream_of(stream.rank,
                                  at({stream.rank, progress_.record_for(stream)}).stream)
        : opcode == Opcode::gradient_norm ? progress_.stream_of(absent_, 0)
                                          : progress_.partner_of(stream);
    return other != kNone && progress_.is_stuck(streams_[other]) ? other : kNone;
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
        sentence += fmt::format("{} rank {} stands at {}", number == circle.front() ? "" : ";",
                                here.rank, text(here));
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
    return progress_.program().ranks[point.rank].instructions[point.position];
  }

  std::string text(const Point& point) const {
    return fmt::format("{} (stream {}, instruction {})", to_string(at(point)), at(point).stream,
                       point.position);
  }

  // What a stuck stream cannot do: a transfer, or what stands behind a wait.
  Point stand(const StreamState& stream) const {
    const auto& instructions = progress_.program().ranks[stream.rank].instructions;
    const auto position = static_cast<std::ptrdiff_t>(progress_.position(stream));
    const auto held = std::find_if(
        instructions.begin() + position, instructions.end(), [&](const Instruction& instruction) {
          return instruction.stream == stream.number && !is_order(instruction);
        });
    return {stream.rank, held == instructions.end() ? position : held - instructions.begin()};
  }

  // What it waits for: the other end, or what stands in front of the record.
  std::optional<Point> awaited(const StreamState& stream) const {
    const Instruction& mine = progress_.at(stream);
    if (mine.opcode == Opcode::wait) {
      return before_record(stream.rank, progress_.record_for(stream));
    }
    const Number partner_number =
        mine.opcode == Opcode::gradient_norm ? kNone : progress_.partner_of(stream);
    if (partner_number != kNone) {
      const StreamState& partner = streams_[partner_number];
      for (const Number position : progress_.left(partner)) {
        const Point point{partner.rank, static_cast<std::ptrdiff_t>(position)};
        if (belong_together(mine, stream.rank, at(point), partner.rank)) {
          return point;
        }
      }
    }
    return std::nullopt;
  }

  Point before_record(int rank, std::ptrdiff_t record) const {
    const auto& instructions = progress_.program().ranks[rank].instructions;
    for (std::ptrdiff_t position = record; position-- > 0;) {
      if (instructions[position].stream == instructions[record].stream &&
          !is_order(instructions[position])) {
        return {rank, position};
      }
    }
    return {rank, record};
  }

  std::string awaited_text(const StreamState& stream) const {
    const Instruction& mine = progress_.at(stream);
    if (mine.opcode == Opcode::gradient_norm) {
      return fmt::format("that of rank {}", absent_);
    }
    if (const auto point = awaited(stream)) {
      return (point->rank == stream.rank ? "" : fmt::format("rank {}'s ", point->rank)) +
             text(*point);
    }
    return fmt::format("{} rank {} on channel {}",
                       mine.opcode == Opcode::send        ? "a recv of"
                       : mine.opcode == Opcode::recv      ? "a send of"
                       : mine.opcode == Opcode::send_sums ? "a recv_sums of"
                       : mine.opcode == Opcode::recv_sums ? "a send_sums of"
                                                          : "the same tie on",
                       mine.peer, progress_.channel_of(stream));
  }

  const Progress& progress_;
  const std::vector<StreamState>& streams_;
  Findings& findings_;
  const int absent_;  // a rank that others wait for at the norm
};

}  // namespace

void report_stuck(const Progress& progress, Findings& findings) {
  StuckReport(progress, findings).run();
}

}  // namespace lockflight::plan
