// The optimizer's work in the update phase of a program.

#pragma once

#include <cstddef>
#include <vector>

#include "lockflight/runtime/pipeline.h"
#include "plan/executor.h"
#include "plan/job.h"
#include "runtime/ranks.h"

namespace lockflight::runtime {

/// What an executor calls on this rank in a program's update phase: the work for the opcode.
/// `step` counts those of one call.  `ranks` and `work` must live as long.
plan::Update update_of(const UpdateWork& work, const plan::Program& program, Ranks& ranks, int rank,
                       std::size_t step);

/// Enqueues a rank's steps, with the optimizer in the schedule, on its host thread: see
/// plan/unroll.h.  Waits for the verdict of each.  Returns how many have come to one: all, or up to
/// the one that is refused.
std::size_t train_in_a_row(Ranks& ranks, int rank, const plan::Job& job,
                           std::vector<plan::Step>& steps, const UpdateWork& work);

}  // namespace lockflight::runtime
