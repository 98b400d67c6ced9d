// From a schedule of compute actions to a program.

#pragma once

#include <vector>

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// Inserts transfers, memory and dependencies:
///   - every directed edge between stages on different ranks has a stream of its own at both ends;
///   - a receive is posted one compute action ahead of the one that needs it, so that the transfer
///   runs beside
///     computation, into memory that the compute stream has given free (record, wait);
///   - a send waits for the action that computes its bytes, and its memory lives until a wait
///   proves it done; that wait
///     stands before the first action of the rank that cannot start before the receiver has taken
///     the bytes anyway, so it never holds anything up; failing such an action, at the end of the
///     step;
///   - tied gradients are added up after a rank's last action; a schedule that trains ends with the
///     norm of all gradients and the update.
/// Throws PlanError, with all findings, if the schedule is not valid or not made of F, I, W and B;
/// if its order makes ranks wait for each other in a circle; or if the two ends of an edge use it
/// in different orders.
Program lower(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties);

}  // namespace lockflight::plan
