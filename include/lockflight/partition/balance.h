// Cutting a list of layers into stages when all that counts is their number or their cost.

#pragma once

#include <span>
#include <vector>

namespace lockflight::partition {

/// Numbers of layers per stage that differ by at most one, the larger ones first.
/// Throws InvalidArgument if there are fewer layers than stages or no stage.
std::vector<int> even(int layers, int stages);

/// Makes the costliest stage as cheap as possible, then the next costliest, and so on: solve() with
/// one stage per rank and nothing but these costs.
///   costs    of each layer, in any unit; finite and not negative
///   returns  the number of layers of each stage, all at least 1
/// Throws InvalidArgument if there are fewer layers than stages, no stage, or a cost beyond its
/// bounds.
std::vector<int> balance(std::span<const double> costs, int stages);

}  // namespace lockflight::partition
