// Where there are two copies of the model (schedule::Placement), what ties them together.

#pragma once

#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// From the ties of a model, whose stages are those of the first copy, to all of a program:
///
///   with one copy    they themselves
///   with two         for every part of the model, ascending, one of its two stages, over which all
///                    gradients of the part are summed; then those of the model in the first copy,
///                    and the same in the second one
///
/// They are summed in that order.  So what comes behind the sums over the copies is as it is with
/// one copy, and tied parameters, which are in four places, get (copy 0 + copy 1 of the first) +
/// (copy 0 + copy 1 of the second). Throws InvalidArgument for a tie of other stages.
std::vector<TiedStages> ties_of_copies(const schedule::Placement& placement,
                                       const std::vector<TiedStages>& of_model);

/// The inverse.
std::vector<TiedStages> ties_of_model(const Program& program);

/// The parameters at the two ends of a tie, as far as a rank holds them: one, or all of a part.
struct TiedParameters {
  std::vector<nn::Parameter*> first;
  std::vector<nn::Parameter*> second;
};

/// Those of a rank, of all of a program's ties.
///   copies   of the model, in their order; the same one twice if nothing is to be computed
std::vector<TiedParameters> tied_parameters(const std::vector<nn::Model*>& copies,
                                            const std::vector<StagePlan>& stages, int rank);

/// Whether a tie is one of a part's two stages.
bool ties_copies(const schedule::Placement& placement, const TiedStages& tie);

}  // namespace lockflight::plan
