// The parameters of a model that is spread over ranks, and their values on the host.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "plan/executor.h"
#include "runtime/ranks.h"

namespace lockflight::runtime {

using ParameterEntries = std::span<const ParameterSet::Entry>;

/// In the model's order, with the rank of the stage that holds them.
std::vector<ParameterSet::Entry> list_parameters(nn::Model& model,
                                                 const std::vector<StagePlan>& stages);

/// The two ends of a tie, as far as a rank holds them.
plan::TiedParameters ends_on(int rank, const nn::Tie& tie, ParameterEntries entries);

/// Gives what a rank holds memory and initial values.  On the rank's thread.
void materialize(const RankContext& context, ParameterEntries entries, std::uint64_t seed);

// These wait, and throw as Ranks::run does.

/// Those with these numbers, f32.
std::vector<std::vector<float>> read_back(Ranks& ranks, ParameterEntries entries,
                                          std::span<const std::size_t> numbers);

/// Sets one, and the copy that is tied to it.  Throws InvalidArgument if the size differs.
void write(Ranks& ranks, ParameterEntries entries, std::size_t number,
           std::span<const float> values);

/// Of all values in the model's order, tied pairs once.
std::uint64_t hash_of(Ranks& ranks, ParameterEntries entries);

}  // namespace lockflight::runtime
