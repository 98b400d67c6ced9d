// The lowered form of a schedule: for every rank the operations that its host thread enqueues, in
// that order, each on one stream, with all dependencies between streams explicit.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// A boundary tensor list of one micro-batch: what stage `stage` hands to the next one, or the
/// gradient of that.
struct Boundary {
  enum class Kind { activation, gradient };
  Kind kind = Kind::activation;
  int stage = 0;
  int micro_batch = 0;

  friend auto operator<=>(const Boundary&, const Boundary&) = default;
};

/// From the first gradient_norm, gradient_sums or update on, a rank's instructions are its update
/// phase: it is enqueued when the optimizer steps, the rest with every forward and backward.
///
/// The update phase is gradient_norm and update; or, where the optimizer is in the schedule, all
/// from gradient_sums to validate: see lower.h.
enum class Opcode : std::uint8_t {
  compute,        ///< run `action`
  allocate,       ///< memory for the boundary in slot `slot`, in the order of stream 0
  send,           ///< send slot `slot` to `peer`
  recv,           ///< receive slot `slot` from `peer`
  record,         ///< record `event`
  wait,           ///< wait for `event`
  release,        ///< free slot `slot`
  reduce_tied,    ///< add up the gradients of tie number `slot` over its ranks, in the order of its
                  ///< stages
  gradient_norm,  ///< the norm of all gradients of all ranks, which meet here
  update,         ///< the optimizer updates all parameters of the rank
  gradient_sums,  ///< the sums of squares of the rank's own gradients
  send_sums,      ///< to `peer`: the rank behind gets those of all ranks so far, the one in front
                  ///< those of all ranks
  recv_sums,      ///< from `peer`, the same
  add_sums,       ///< adds those of the ranks in front to those of this one
  read_sums,      ///< the host gets those of all ranks
  validate,       ///< puts right what the update has done without knowing the sums of all ranks,
                  ///< which the host has when `event` is recorded
};

struct Instruction {
  Opcode opcode = Opcode::compute;
  int stream = 0;
  schedule::Action action{};  ///< compute, send and recv
  int slot = -1;              ///< compute: the slot it takes, or -1
  int output = -1;            ///< compute: the slot it fills, or -1
  int event = -1;
  int peer = -1;
};

/// Stream 0 computes.  Where forwards and backwards run overlapped, a second stream computes beside
/// it.  Every other stream carries the transfers of one directed edge in one direction.
struct StreamUse {
  int peer = -1;     ///< -1: compute, or the tied gradients
  int channel = -1;  ///< the same number at both ends; -1: compute
  bool sends = false;
};

inline bool computes(const StreamUse& use) { return use.channel < 0; }

/// Where the optimizer is in the schedule, the first `prologue` instructions of a step may run
/// before the `validate` of the step in front of it: they compute forwards, and what they send is
/// received in the prologue of another rank.
struct RankProgram {
  std::vector<StreamUse> streams;
  std::vector<Boundary> slots;
  int events = 0;
  std::size_t prologue = 0;
  std::vector<Instruction> instructions;
};

/// The stages that hold the two copies of a tied parameter; or the two of a part of the model, all
/// of whose parameters are tied, where the placement has two copies of it.
struct TiedStages {
  int first = 0;
  int second = 0;
};

struct Program {
  int micro_batches = 0;
  schedule::Placement placement;
  std::vector<TiedStages> ties;  ///< parts of a model that is there twice come first
  /// By stage: whether an R stands in front of each of its backwards, but for those on the second
  /// compute stream.  Empty: nowhere.
  std::vector<bool> recomputes;
  int channels = 0;
  std::vector<RankProgram> ranks;
};

/// The channel on which all ranks meet for the gradients' norm; stages and ties have channels from
/// 0 on.
inline constexpr int kNormChannel = -1;

/// Whether an R belongs in front of an I or B of this stage on this stream.
bool recomputes_before(const Program& program, int stage, int stream);

/// Whether the optimizer is in the schedule.
bool validates(const Program& program);

/// The position of a rank's first instruction of the update phase; their number if it has none.
std::size_t update_phase(const RankProgram& rank);
/// The position behind its update, where the instructions begin that validate it; their number if
/// there are none.
std::size_t validation_phase(const RankProgram& rank);

/// "0SEND_F3", "1RECV_B0": the action of a transfer of that boundary, in PyTorch's letters.
schedule::Action send_action(const Boundary& boundary);
schedule::Action recv_action(const Boundary& boundary);

/// "compute 2F0", "recv 1RECV_F0 slot 3 from rank 0", "wait event 4": one line of a listing.
std::string to_string(const Instruction& instruction);
/// All ranks, one instruction per line with its stream.
std::string to_string(const Program& program);

}  // namespace lockflight::plan
