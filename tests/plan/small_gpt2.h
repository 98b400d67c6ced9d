// A small GPT-2 to plan for.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/plan.h"

namespace lockflight {

/// Embedding, two halves of every block, norm, head: 11 layers with four blocks.
inline nn::Model small_gpt2(int blocks = 4) {
  return nn::gpt2({.vocabulary = 11, .context = 16, .layers = blocks, .heads = 2, .width = 32});
}

/// Half as wide, for half as many tokens.
inline nn::Model narrow_gpt2(int blocks) {
  return nn::gpt2({.vocabulary = 11, .context = 8, .layers = blocks, .heads = 2, .width = 16});
}

/// Of six micro-batches of four rows.
inline PlanOptions options_of(const std::string& schedule, Recomputation recompute,
                              std::size_t limit_bytes = 0) {
  return {.micro_batch = {.rows = 4},
          .micro_batches = 6,
          .schedule = schedule,
          .stages_per_rank = schedule == "interleaved" ? 2 : 0,
          .memory_limit_bytes = limit_bytes,
          .recompute = recompute};
}

inline Plan plan_of(int ranks, const PlanOptions& options, int blocks = 4) {
  nn::Model model = small_gpt2(blocks);
  return make_plan(model, ranks, options);
}

/// Of the rank that takes the most.
inline std::size_t most_bytes(const Plan& plan) {
  return std::ranges::max(plan.memory, {}, &RankMemory::arena_bytes).arena_bytes();
}

}  // namespace lockflight
