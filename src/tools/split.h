// --split and --recompute: how many layers each stage gets, and which run twice.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lockflight/plan/plan.h"

namespace lockflight::tools {

/// Layers of a GPT: the embedding, two halves of each block, the final norm and the head.
constexpr std::int64_t layers_of_gpt(std::int64_t blocks) { return 2 * blocks + 3; }

/// "auto" gives an empty list: cut by cost.  "even" gives every stage as many layers, or one more.
/// Otherwise one number for each stage; they add up to all `layers` of the model, or to its blocks:
/// the embedding then joins the first, norm and head the last.
///   returns   layers of each stage, as PlanOptions::split wants them
/// Throws InvalidArgument that names both sums, or if there are fewer layers than stages.
std::vector<int> parse_split(std::string_view text, int stages, std::int64_t layers);

/// "never", "when-needed" or "always".
Recomputation parse_recompute(std::string_view text);

/// --optimizer-in-schedule.
plan::LowerOptions lower_options(bool optimizer_in_schedule);

}  // namespace lockflight::tools
