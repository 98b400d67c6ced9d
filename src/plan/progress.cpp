#include "plan/progress.h"

#include <algorithm>
#include <utility>

namespace lockflight::plan {
namespace {

bool meets_a_peer(const Instruction& instruction) {
  return instruction.opcode == Opcode::send || instruction.opcode == Opcode::recv ||
         instruction.opcode == Opcode::send_sums || instruction.opcode == Opcode::recv_sums ||
         (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0);
}

bool can_hold(const Instruction& instruction) {
  return instruction.opcode == Opcode::record || instruction.opcode == Opcode::wait ||
         instruction.opcode == Opcode::gradient_norm || meets_a_peer(instruction);
}

}  // namespace

bool belong_together(const Instruction& mine, int a, const Instruction& theirs, int b) {
  if (!meets_a_peer(mine) || !meets_a_peer(theirs) || mine.peer != b || theirs.peer != a) {
    return false;
  }
  switch (mine.opcode) {
    case Opcode::send:
      return theirs.opcode == Opcode::recv;
    case Opcode::recv:
      return theirs.opcode == Opcode::send;
    case Opcode::send_sums:
      return theirs.opcode == Opcode::recv_sums;
    case Opcode::recv_sums:
      return theirs.opcode == Opcode::send_sums;
    default:
      return theirs.opcode == Opcode::reduce_tied;
  }
}

Progress::Progress(const Program& program) : program_(program) {
  reserve();
  for (int rank = 0; rank < static_cast<int>(program.ranks.size()); ++rank) {
    add_rank(rank);
  }
  waiter_.assign(recorded_at_.size(), kNone);
}

void Progress::run(Findings& findings) {
  findings_ = &findings;
  for (Number stream = 0; stream < streams_.size(); ++stream) {
    ready_.push_back(stream);
  }
  while (!ready_.empty()) {
    const Number stream = ready_.back();
    ready_.pop_back();
    advance(stream);
  }
}

// The tables are as long as the program: they must not be copied while they grow.
void Progress::reserve() {
  std::size_t instructions = 0;
  std::size_t events = 0;
  for (const RankProgram& rank : program_.ranks) {
    instructions += static_cast<std::size_t>(std::ranges::count_if(rank.instructions, can_hold));
    events += rank.events;
  }
  order_.reserve(instructions);
  recorded_at_.reserve(events);
}

void Progress::add_rank(int rank) {
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
void Progress::sort_instructions(int rank) {
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

// Passes what a stream can pass.
void Progress::advance(Number number) {
  StreamState& stream = streams_[number];
  while (stream.next < stream.end) {
    const Opcode opcode = at(stream).opcode;
    if (opcode == Opcode::record) {
      pass_event(stream);
    } else if (opcode == Opcode::wait ? !passes_wait(number) : !meets(number)) {
      return;
    }
    ++stream.next;
  }
}

void Progress::pass_event(const StreamState& stream) {
  Number waiter = std::exchange(waiter_[event_of(stream)], kPassed);
  while (waiter != kNone && waiter != kPassed) {
    ready_.push_back(waiter);
    waiter = std::exchange(streams_[waiter].next_waiter, kNone);
  }
}

bool Progress::passes_wait(Number number) {
  StreamState& stream = streams_[number];
  Number& waiter = waiter_[event_of(stream)];
  if (waiter == kPassed || record_for(stream) == kNone) {
    return true;
  }
  stream.next_waiter = std::exchange(waiter, number);
  return false;
}

// True when everybody has come; the others then go on, too.
bool Progress::meets(Number number) {
  StreamState& stream = streams_[number];
  if (at(stream).opcode == Opcode::gradient_norm) {
    return meets_all(number);
  }
  stream.posted = true;
  const Number partner_number = partner_of(stream);
  if (partner_number == kNone || !streams_[partner_number].posted) {
    return false;
  }
  StreamState& partner = streams_[partner_number];
  if (!belong_together(at(stream), stream.rank, at(partner), partner.rank)) {
    return false;
  }
  check_same(stream, partner);
  stream.posted = partner.posted = false;
  ++partner.next;
  ready_.push_back(partner_number);
  return true;
}

bool Progress::meets_all(Number number) {
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

// What meets must be the same boundary, or the same tie.  Between two ranks sums travel in one way.
void Progress::check_same(const StreamState& stream, const StreamState& partner) {
  const Instruction& mine = at(stream);
  const Instruction& theirs = at(partner);
  if (mine.opcode == Opcode::send_sums || mine.opcode == Opcode::recv_sums) {
    return;
  }
  const bool same = mine.opcode == Opcode::reduce_tied
                        ? mine.slot == theirs.slot
                        : program_.ranks[stream.rank].slots[mine.slot] ==
                              program_.ranks[partner.rank].slots[theirs.slot];
  if (!same) {
    const bool sends = mine.opcode == Opcode::send;
    const StreamState& from = sends ? stream : partner;
    const StreamState& to = sends ? partner : stream;
    findings_->add(Finding::Kind::incomplete,
                   {.rank = to.rank,
                    .stream = to.number,
                    .position = static_cast<std::ptrdiff_t>(position(to))},
                   "{} meets {} of rank {} (instruction {}); both ends must use channel {} in the "
                   "same order",
                   to_string(at(to)), to_string(at(from)), from.rank, position(from),
                   channel_of(to));
  }
}

Number Progress::record_for(const StreamState& stream) const {
  const Number record = recorded_at_[event_of(stream)];
  return record < position(stream) ? record : kNone;  // one that comes later holds nothing up
}

Number Progress::partner_of(const StreamState& stream) const {
  const std::vector<ChannelEnd>& ends = ends_[at(stream).peer];
  const auto end = std::ranges::lower_bound(ends, channel_of(stream), {}, &ChannelEnd::channel);
  return end == ends.end() || end->channel != channel_of(stream) ? kNone : end->stream;
}

int Progress::absent_from_norm() const {
  std::vector<bool> present(program_.ranks.size(), false);
  for (const Number stream : at_norm_) {
    present[streams_[stream].rank] = true;
  }
  return static_cast<int>(std::ranges::find(present, false) - present.begin());
}

void check_progress(const Program& program, Findings& findings) {
  Progress progress(program);
  progress.run(findings);
  report_stuck(progress, findings);
}

}  // namespace lockflight::plan
