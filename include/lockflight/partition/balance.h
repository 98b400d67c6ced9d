// Cutting a list of layers into stages.

#pragma once

#include <span>
#include <vector>

namespace lockflight::partition {

/// Cuts layers into consecutive stages so that the slowest stage costs as little as possible, and
/// among such cuts the sum of squares of the stages' costs is least, so that the others are even
/// too. Exact, in stages · layers² steps; of cuts that are equal in both, the one with the most
/// layers in the first stages.
///   costs    of each layer, in any unit; finite and not negative, at most 1e150 in all
///   returns  the number of layers of each stage, all at least 1
/// Throws InvalidArgument if there are fewer layers than stages, no stage, or costs beyond their
/// bounds.
std::vector<int> balance(std::span<const double> costs, int stages);

}  // namespace lockflight::partition
