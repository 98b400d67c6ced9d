// Which stages of a plan recompute ahead of their backwards.

#pragma once

#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// By stage: whether it has an R, as LowerOptions::recomputes wants it; empty: none has.
std::vector<bool> recompute_marks(const std::vector<StagePlan>& stages);

/// The same plan with an R in front of the backwards of every stage that recomputes layers, waits
/// for its gradient, and takes no byte more that way.
///
/// An R runs the stage's last recomputed layer again.  Where that is the last layer of all, the
/// backward would run it first anyway, so tensors come and go in the same order as without an R,
/// and not a byte is different.  Where layers that keep their tensors follow it, what it makes lies
/// there through their backwards, too: then the exact bytes of a rehearsal decide, rank by rank.
///   model   the plan's, without memory
///   plan    with its memory, without any R
///   costs   what the plan's layers cost
/// Throws PlanError if the program is not proved.
Plan recompute_ahead(nn::Model& model, Plan plan, const Profile& costs, const PlanOptions& options);

}  // namespace lockflight::plan
