#include "plan/auto_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "plan/memory.h"
#include "plan/planning.h"
#include "plan/recomputing.h"
#include "plan/search_problem.h"

namespace lockflight::plan {
namespace {

using schedule::Placement;
using schedule::Schedule;
using schedule::SearchProblem;

constexpr int kMostCorrections = 4;  // of what an order may keep

std::vector<int> layers_of(const Plan& plan) {
  std::vector<int> layers;
  for (const StagePlan& stage : plan.stages) {
    layers.push_back(stage.layers);
  }
  return layers;
}

std::size_t most_bytes(const Plan& plan) {
  return std::ranges::max(plan.memory, {}, &RankMemory::arena_bytes).arena_bytes();
}

// One micro-batch after the other: nothing takes less memory.
Schedule one_by_one(const Placement& placement, int micro_batches) {
  using enum schedule::ActionKind;
  Schedule schedule{.name = "auto",
                    .micro_batches = micro_batches,
                    .placement = placement,
                    .rows = std::vector<std::vector<schedule::Cell>>(placement.ranks())};
  for (int k = 0; k < micro_batches; ++k) {
    for (int stage = 0; stage < placement.stages(); ++stage) {
      schedule.rows[placement.rank_of(stage)].push_back({{stage, forward, k}});
    }
    for (int stage = placement.stages() - 1; stage >= 0; --stage) {
      schedule.rows[placement.rank_of(stage)].push_back({{stage, backward, k}});
    }
  }
  return schedule;
}

class AutoPlanner {
 public:
  AutoPlanner(nn::Model& model, int ranks, const PlanOptions& options)
      : model_(model), ranks_(ranks), options_(options) {}

  Plan run() {
    add_generators();
    take_best_draft();
    for (Plan& seed : seeds()) {
      search_with(seed);
    }
    if (!best_) {
      refuse();
    }
    return std::move(*best_);
  }

 private:
  struct Draft {
    double seconds;
    Schedule schedule;
  };

  bool limited() const { return options_.memory_limit_bytes > 0; }
  bool chooses() const { return limited() && options_.recompute == Recomputation::when_needed; }

  PlanOptions options_for(const Schedule& schedule) const {
    PlanOptions options = options_;
    options.own_schedule = schedule;
    return options;
  }

  std::vector<int> stage_counts() const {
    const int given = std::max(1, options_.stages_per_rank);
    if (!options_.split.empty()) {
      return {std::max(1, static_cast<int>(options_.split.size()) / ranks_)};
    }
    if (!options_.pins.empty()) {
      return {given};
    }
    std::vector<int> counts = {1};
    for (const int count : {2, given}) {
      const std::size_t stages = static_cast<std::size_t>(count) * ranks_;
      if (count > counts.back() && stages <= model_.layers().size()) {
        counts.push_back(count);
      }
    }
    return counts;
  }

  void add_generators() {
    std::exception_ptr problem;
    for (const schedule::ScheduleInfo& info : schedule::schedules()) {
      for (const int count : stage_counts()) {
        const auto schedule = generate(info, count);
        try {
          if (schedule && schedule::has_backward(*schedule)) {
            add_generated(*schedule);
          }
        } catch (const Error&) {
          problem = problem ? problem : std::current_exception();
        }
      }
    }
    if (drafts_.empty() && !least_) {
      std::rethrow_exception(problem);  // interleaved has every size: the options are to blame
    }
  }

  std::optional<Schedule> generate(const schedule::ScheduleInfo& info, int stages_per_rank) const {
    if (info.copies > 1) {
      return std::nullopt;  // its gradients are summed in another order, so it has other bits
    }
    try {
      return info.make({.ranks = ranks_,
                        .micro_batches = options_.micro_batches,
                        .stages_per_rank = stages_per_rank});
    } catch (const InvalidArgument&) {
      return std::nullopt;  // it does not have that size
    }
  }

  // What is recomputed where memory forces it decides about the time, so then there is no draft.
  void add_generated(const Schedule& schedule) {
    const PlanOptions options = options_for(schedule);
    if (chooses()) {
      consider(plan_in_any_memory(model_, ranks_, options));
      return;
    }
    const Plan draft = draft_plan(model_, ranks_, options);
    drafts_.push_back({.seconds = draft.prediction.step_seconds, .schedule = schedule});
  }

  // The fastest that fits.
  void take_best_draft() {
    std::ranges::stable_sort(drafts_, {}, &Draft::seconds);
    for (const Draft& draft : drafts_) {
      consider(plan_in_any_memory(model_, ranks_, options_for(draft.schedule)));
      if (best_) {
        return;
      }
    }
  }

  void consider(Plan plan) {
    if (!least_ || most_bytes(plan) < most_bytes(*least_)) {
      least_ = plan;
    }
    if (fits(plan) && (!best_ || plan.prediction.step_seconds < best_->prediction.step_seconds)) {
      best_ = std::move(plan);
    }
  }

  // Drafts whose stages the search goes by, each of another placement or split.
  std::vector<Plan> seeds() {
    std::vector<Plan> seeds;
    const auto add = [&](Plan seed) {
      const bool known = std::ranges::any_of(seeds, [&](const Plan& other) {
        return other.schedule.placement == seed.schedule.placement &&
               layers_of(other) == layers_of(seed) &&
               recomputed_layers(model_, other.stages) == recomputed_layers(model_, seed.stages);
      });
      if (!known) {
        seeds.push_back(std::move(seed));
      }
    };
    for (const int count : stage_counts()) {
      std::vector<Placement> placements = {
          Placement::loop({.ranks = ranks_, .stages_per_rank = count})};
      if (count == 2 && ranks_ > 1) {
        placements.push_back(Placement::v(ranks_));
      }
      for (const Placement& placement : placements) {
        for (const Recomputation recompute : modes()) {
          PlanOptions options = options_for(one_by_one(placement, options_.micro_batches));
          options.recompute = recompute;
          add(draft_plan(model_, ranks_, options));
        }
      }
    }
    if (best_ && !chooses()) {
      add(*best_);
    }
    return seeds;
  }

  std::vector<Recomputation> modes() const {
    if (chooses()) {
      return {Recomputation::never, Recomputation::always};
    }
    return {options_.recompute};
  }

  void search_with(const Plan& seed) {
    SearchProblem problem = search_problem(model_, seed, options_);
    if (!limited()) {
      const auto found = schedule::search(problem, options_.search);
      consider_if_faster(found.schedule, seed);
      return;
    }
    search_within_limit(seed, problem);
  }

  // With the seed's stages.
  PlanOptions options_for(const Schedule& schedule, const Plan& seed) {
    PlanOptions options = options_for(schedule);
    options.split = layers_of(seed);
    if (chooses()) {
      const auto recomputed = recomputed_layers(model_, seed.stages);
      options.recompute = std::ranges::find(recomputed, true) == recomputed.end()
                              ? Recomputation::never
                              : Recomputation::always;
    }
    return options;
  }

  void consider_if_faster(const Schedule& schedule, const Plan& seed) {
    const PlanOptions options = options_for(schedule, seed);
    if (!best_ || draft_plan(model_, ranks_, options).prediction.step_seconds <
                      best_->prediction.step_seconds) {
      consider(plan_in_any_memory(model_, ranks_, options));
    }
  }

  // The search goes by what layers save, which is not all that takes memory, and counts some of it
  // twice. The exact bytes of one order that keeps little and of one that keeps more say how its
  // bytes and those of the search go together.
  void search_within_limit(const Plan& seed, SearchProblem& problem) {
    const Schedule little = one_by_one(problem.placement, problem.micro_batches);
    const Plan least = plan_in_any_memory(model_, ranks_, options_for(little, seed));
    consider(least);
    if (!fits(least)) {
      return;
    }
    const std::vector<std::int64_t> kept_least = kept_bytes(least, problem, options_.device);
    for (int rank = 0; rank < ranks_; ++rank) {
      const std::int64_t room = room_of(least, rank);
      problem.memory_limits.push_back(least_kept(problem, rank) + room);
    }
    // To learn what the activations of an order take in bytes.
    const schedule::SearchEffort low{.actions = options_.search.actions / 10,
                                     .orders = options_.search.orders / 10};
    for (int i = 0; i <= kMostCorrections; ++i) {
      const auto found = schedule::search(problem, i == 0 ? low : options_.search);
      const Plan plan = plan_in_any_memory(model_, ranks_, options_for(found.schedule, seed));
      const bool enough = i > 0 && fits(plan);
      consider(plan);
      if (enough) {
        return;
      }
      correct(problem, kept_least, least, plan);
    }
  }

  std::int64_t room_of(const Plan& plan, int rank) const {
    return static_cast<std::int64_t>(options_.memory_limit_bytes) -
           static_cast<std::int64_t>(plan.memory[rank].arena_bytes());
  }

  void correct(SearchProblem& problem, const std::vector<std::int64_t>& kept_least,
               const Plan& least, const Plan& plan) const {
    const std::vector<std::int64_t> kept = kept_bytes(plan, problem, options_.device);
    for (int rank = 0; rank < ranks_; ++rank) {
      const auto more_kept = static_cast<double>(kept[rank] - kept_least[rank]);
      const auto more_taken = static_cast<double>(room_of(least, rank) - room_of(plan, rank));
      std::int64_t& limit = problem.memory_limits[rank];
      if (more_kept > 0 && more_taken > 0) {
        const double room = static_cast<double>(room_of(least, rank)) * more_kept / more_taken;
        limit = kept_least[rank] + static_cast<std::int64_t>(std::min(room, kMostRoom));
      }
      if (room_of(plan, rank) < 0) {
        limit = std::min(limit, kept[rank] - 1);
      }
      limit = std::max(limit, least_kept(problem, rank));
    }
  }

  [[noreturn]] void refuse() const {
    throw PlanError(fmt::format(
        "no order fits the memory: at the least {}; use more ranks, smaller micro-batches, {}or "
        "another split",
        beyond_limit(least_->memory, options_.memory_limit_bytes),
        options_.recompute == Recomputation::never ? "recomputation, " : ""));
  }

  static constexpr double kMostRoom = 1e18;  // bytes

  nn::Model& model_;
  const int ranks_;
  const PlanOptions& options_;
  std::vector<Draft> drafts_;
  std::optional<Plan> best_;   // that fits
  std::optional<Plan> least_;  // of memory
};

}  // namespace

Plan auto_plan(nn::Model& model, int ranks, const PlanOptions& options) {
  return AutoPlanner(model, ranks, options).run();
}

}  // namespace lockflight::plan
