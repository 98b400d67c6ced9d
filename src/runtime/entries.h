// Which parameters a pipeline has.

#pragma once

#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/runtime/pipeline.h"

namespace lockflight::runtime {

/// Those of the first copy of the model in its order, then those of the second one, if there is
/// one. Whatever starts equal and stays equal is tied to the first of them all: the second end of a
/// tie of the model, and every parameter of the second copy.
std::vector<ParameterSet::Entry> entries_of(const std::vector<nn::Model*>& copies,
                                            const std::vector<StagePlan>& stages);

}  // namespace lockflight::runtime
