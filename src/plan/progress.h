// The run of a program without its computes, and where it stands in the end.
//
// Every stream goes on until it stands at a wait whose event is not passed, or at a transfer whose
// partner is not there; whoever passes the event, or comes to the other end, lets it go on.  Each
// instruction is passed once.  What a stream waits for does not depend on the order in which
// streams are looked at, so one run decides.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "plan/proving.h"

namespace lockflight::plan {

class Progress {
 public:
  /// A stream of a rank.
  struct StreamState {
    int rank = 0;
    int number = 0;        // on its rank
    std::size_t next = 0;  // in order_
    std::size_t end = 0;
    Number next_waiter = kNone;  // for the same event
    bool posted = false;         // stands at a transfer
  };

  /// The program must outlive this.
  explicit Progress(const Program& program);

  /// As far as it goes.  Adds findings for ends of a channel that do not carry the same.
  void run(Findings& findings);

  // Afterwards.

  const Program& program() const { return program_; }
  const std::vector<StreamState>& streams() const { return streams_; }
  bool is_stuck(const StreamState& stream) const { return stream.next < stream.end; }

  /// Positions of what a stream has still to pass, as far as it can hold a stream or let one go on.
  std::span<const Number> left(const StreamState& stream) const {
    return std::span(order_).subspan(stream.next, stream.end - stream.next);
  }
  /// What a stuck stream stands at.
  Number position(const StreamState& stream) const { return order_[stream.next]; }
  const Instruction& at(const StreamState& stream) const {
    return program_.ranks[stream.rank].instructions[position(stream)];
  }
  int channel_of(const StreamState& stream) const {
    return program_.ranks[stream.rank].streams[stream.number].channel;
  }

  /// The position of the record that a stream at a wait waits for; kNone if none holds it.
  Number record_for(const StreamState& stream) const;
  /// The stream of the peer on the same channel, for a stream at a transfer; kNone if none is.
  Number partner_of(const StreamState& stream) const;
  Number stream_of(int rank, int number) const { return first_stream_[rank] + number; }
  /// The first rank that does not stand at the norm of all gradients.
  int absent_from_norm() const;

 private:
  // An end of a channel.
  struct ChannelEnd {
    int channel = 0;
    Number stream = 0;
  };

  void reserve();
  void add_rank(int rank);
  void sort_instructions(int rank);
  void advance(Number number);
  void pass_event(const StreamState& stream);
  bool passes_wait(Number number);
  bool meets(Number number);
  bool meets_all(Number number);
  void check_same(const StreamState& stream, const StreamState& partner);
  std::size_t event_of(const StreamState& stream) const {
    return first_event_[stream.rank] + at(stream).event;
  }

  static constexpr Number kPassed = kNone - 1;

  const Program& program_;
  Findings* findings_ = nullptr;               // of the run
  std::vector<StreamState> streams_;           // of all ranks
  std::vector<Number> first_stream_;           // by rank
  std::vector<std::size_t> first_event_;       // by rank
  std::vector<Number> order_;                  // positions, by stream
  std::vector<Number> recorded_at_;            // position, by event of all ranks
  std::vector<Number> waiter_;                 // by event: the first stream that waits, or kPassed
  std::vector<std::vector<ChannelEnd>> ends_;  // by rank, ascending
  std::vector<Number> at_norm_;                // streams
  std::vector<Number> ready_;
};

/// Whether two instructions of ranks a and b are the two ends of something.
bool belong_together(const Instruction& mine, int a, const Instruction& theirs, int b);

/// Tells why streams are stuck: every circle, and everyone whose partner never comes.
void report_stuck(const Progress& progress, Findings& findings);

}  // namespace lockflight::plan
