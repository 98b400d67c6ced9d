// One action of a schedule, and its text: "2F0" is the forward of stage 2 for micro-batch 0.
//
// The letters are those of torch.distributed.pipelining: I is the gradient of a stage's input, W
// the gradient of its weights, B both in one action. The zero-bubble papers write B for I.
// R is ours: programs have it, schedules do not.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockflight::schedule {

enum class ActionKind : std::uint8_t {
  forward,          // F
  input_gradient,   // I
  weight_gradient,  // W
  backward,         // B: input gradient, then weight gradient
  recompute,        // R: forward again, of what the backward behind it needs first
  send_forward,     // SEND_F: the stage sends its output to the next stage
  recv_forward,     // RECV_F: the stage receives its input from the stage before
  send_backward,    // SEND_B: the stage sends the gradient of its input to the stage before
  recv_backward,    // RECV_B: the stage receives the gradient of its output from the next stage
  unshard,          // UNSHARD, without a micro-batch
  reshard,          // RESHARD, without a micro-batch
  reduce_grad,      // REDUCE_GRAD, without a micro-batch
};

struct Action {
  int stage = 0;
  ActionKind kind = ActionKind::forward;
  int micro_batch = -1;  // -1 for the kinds without one

  friend bool operator==(const Action&, const Action&) = default;
};

/// "F", "SEND_F", "UNSHARD", …
std::string_view name_of(ActionKind kind);

/// False for UNSHARD, RESHARD and REDUCE_GRAD.
bool has_micro_batch(ActionKind kind);

/// True for F, I, W and B.
bool is_compute(ActionKind kind);

/// True for these and R: what a rank computes of its stages.
bool runs_layers(ActionKind kind);

/// "2F0", "3SEND_F1", "0UNSHARD"
std::string to_string(const Action& action);

/// The inverse of to_string, but for R.  Throws DataError with a sentence that names what is wrong:
/// no stage number, an unknown kind, a missing or superfluous micro-batch, a number with leading
/// zeros or beyond the range of int.
Action parse_action(std::string_view text);

}  // namespace lockflight::schedule
