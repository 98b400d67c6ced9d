// The parameters of a model that is spread over ranks, and their values on the host.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "runtime/ranks.h"

namespace lockflight::runtime {

using ParameterEntries = std::span<const ParameterSet::Entry>;

/// Those of the first copy of the model in its order, then those of the second one, if there is
/// one; each with the rank of the stage that holds it.  What starts equal and stays so is tied to
/// the first of them all: the second end of a tie of the model, and every parameter of the second
/// copy.
std::vector<ParameterSet::Entry> list_parameters(const std::vector<nn::Model*>& copies,
                                                 const std::vector<StagePlan>& stages);

/// Gives what a rank holds memory and initial values.  On the rank's thread.
void materialize(const RankContext& context, ParameterEntries entries, std::uint64_t seed);

/// Zeroes the gradients of what is tied to another parameter.  Enqueued; does not wait.
void forget_tied_gradients(const RankContext& context, ParameterEntries entries);

// These wait, and throw as Ranks::run does.

/// Those with these numbers, f32.
std::vector<std::vector<float>> read_back(Ranks& ranks, ParameterEntries entries,
                                          std::span<const std::size_t> numbers);

/// Sets one, and what is tied to it.  Throws InvalidArgument if the size differs.
void write(Ranks& ranks, ParameterEntries entries, std::size_t number,
           std::span<const float> values);

/// Of all values in the model's order, tied pairs once.
std::uint64_t hash_of(Ranks& ranks, ParameterEntries entries);

}  // namespace lockflight::runtime
