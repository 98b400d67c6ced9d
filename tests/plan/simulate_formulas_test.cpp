// What is known of a schedule's idle time in closed form.

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "lockflight/schedule/registry.h"
#include "plan/simulated_schedules.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using schedule::PipelineSize;
using schedule::StageTimes;

// Every p ≤ 6, m ≤ 12 and v ≤ 3 that a schedule takes, with times of a stage.
void for_each_size(const std::string& name,
                   const std::function<void(PipelineSize, StageTimes)>& check) {
  const auto& infos = schedule::schedules();
  const auto info = std::ranges::find(infos, name, &schedule::ScheduleInfo::name);
  std::array<int, 12> micro_batches{};
  std::iota(micro_batches.begin(), micro_batches.end(), 1);
  for (const PipelineSize& size : schedule::sizes_of(*info, 6, micro_batches, 3)) {
    for (const StageTimes t : {StageTimes{1, 1, 1}, StageTimes{2, 5, 3}, StageTimes{7, 1, 2}}) {
      SCOPED_TRACE(::testing::Message()
                   << name << " p " << size.ranks << " m " << size.micro_batches << " v "
                   << size.stages_per_rank << " tF " << t.forward << " tI " << t.input_gradient
                   << " tW " << t.weight_gradient);
      check(size, t);
    }
  }
}

// Free transfers, equal stages: every rank is idle for `idle`, all of it dependency or tail.
void expect_idle(const SimulatedStep& step, double busy, double idle) {
  EXPECT_EQ(step.makespan, busy + idle);
  for (const SimulatedRank& rank : step.ranks) {
    EXPECT_EQ(rank.busy, busy);
    EXPECT_EQ(rank.idle.dependency + rank.idle.tail, idle);
    EXPECT_EQ(rank.idle.total(), idle);
    EXPECT_EQ(rank.idle.tail, step.makespan - rank.end);
  }
  EXPECT_NEAR(step.idle_barrier(), idle / (busy + idle), 1e-12);
}

TEST(SimulateFormulasTest, IsIdleAsTheFormulasOfGPipeAnd1F1BSay) {
  for (const std::string name : {"gpipe", "1f1b"}) {
    for_each_size(name, [&](PipelineSize size, StageTimes t) {
      const auto step = simulate_schedule(make_schedule(name, size), even_costs(size.ranks, t));
      const double turn = t.forward + t.input_gradient + t.weight_gradient;
      expect_idle(step, size.micro_batches * turn, (size.ranks - 1) * turn);
      for (int rank = 0; rank < size.ranks; ++rank) {
        EXPECT_EQ(
            step.ranks[rank].peak_activations,
            name == "gpipe" ? size.micro_batches : std::min(size.micro_batches, size.ranks - rank));
        // The zero-bubble papers leave out what a rank waits before its first and after its last.
        EXPECT_EQ(step.ranks[rank].end - step.ranks[rank].begin, step.makespan - rank * turn);
      }
      EXPECT_NEAR(step.idle_span(),
                  1 - size.micro_batches / (size.micro_batches + (size.ranks - 1) / 2.0), 1e-12);
    });
  }
}

TEST(SimulateFormulasTest, IsIdleAsTheFormulasOfTheInterleavedSchedulesSay) {
  for_each_size("interleaved", [](PipelineSize size, StageTimes t) {
    const auto [p, m, v, group] = size;
    const double turn = t.forward + t.input_gradient + t.weight_gradient;
    if (m % p == 0) {
      const auto step = simulate_schedule(make_schedule("interleaved", size), even_costs(p * v, t));
      expect_idle(step, m * v * turn, (p - 1) * turn);
      for (int r = 0; r < p; ++r) {
        EXPECT_EQ(step.ranks[r].peak_activations * v,
                  std::min(m * v, (v - 1) * p + 2 * (p - 1 - r) + 1));
      }
    }
  });
  for_each_size("looped-bfs", [](PipelineSize size, StageTimes t) {
    const auto [p, m, v, group] = size;
    const double turn = t.forward + t.input_gradient + t.weight_gradient;
    if (m >= p) {
      const auto step = simulate_schedule(make_schedule("looped-bfs", size), even_costs(p * v, t));
      expect_idle(step, m * v * turn, (p - 1) * turn);
      for (const SimulatedRank& rank : step.ranks) {
        EXPECT_EQ(rank.peak_activations, m);
      }
    }
  });
}

TEST(SimulateFormulasTest, IsIdleAsTheFormulasOfTheZeroBubbleSchedulesSay) {
  for (const std::string name : {"zb-1p", "zb-2p", "interleaved-zb"}) {
    for_each_size(name, [&](PipelineSize size, StageTimes t) {
      const auto [p, m, v, group] = size;
      const bool twice = name == "zb-2p";
      if (name == "zb-1p" ? m >= p : twice ? m >= 2 * p - 1 : m % p == 0) {
        const auto step = simulate_schedule(make_schedule(name, size), even_costs(p * v, t));
        const double turn = t.forward + t.input_gradient + t.weight_gradient;
        const double idle = twice ? std::max({t.forward, t.input_gradient - t.forward,
                                              t.forward + t.input_gradient - 2 * t.weight_gradient})
                                  : std::max({t.forward, t.input_gradient,
                                              t.forward + t.input_gradient - t.weight_gradient});
        expect_idle(step, m * v * turn, (p - 1) * idle);
        for (const SimulatedRank& rank : step.ranks) {
          EXPECT_EQ(rank.peak_activations, std::min(m, twice ? 2 * p - 1 : p));
        }
      }
    });
  }
}

TEST(SimulateFormulasTest, IsIdleAsTheFormulasOfTheSchedulesInVPlacementSay) {
  for (const std::string name : {"zb-v", "v-half", "v-min"}) {
    for_each_size(name, [&](PipelineSize size, StageTimes t) {
      const int p = size.ranks;
      const int m = size.micro_batches;
      if (t.forward == t.weight_gradient && m >= 2 * p) {
        const int half = p % 2 == 0 ? (7 * p - 8) / 2 : (7 * p - 9) / 2;
        const int min = p % 3 == 0 ? 4 * p - 3 : 4 * p - 5;
        const int idle = p == 1 ? 0 : name == "zb-v" ? p - 1 : name == "v-half" ? half : min;
        const int keeps = name == "zb-v" ? p : name == "v-half" ? (p + 2) / 2 : (p + 4) / 3;
        const auto step = simulate_schedule(make_schedule(name, size), even_costs(2 * p, t));
        expect_idle(step, 6 * m, idle);
        EXPECT_EQ(
            std::ranges::max(step.ranks, {}, &SimulatedRank::peak_activations).peak_activations,
            keeps);
        if (name == "zb-v") {
          EXPECT_EQ(step.idle_span(), 0);
        }
      }
    });
  }
}

TEST(SimulateFormulasTest, IsIdleAsTheFormulaOfForwardOnlySays) {
  for_each_size("forward-only", [](PipelineSize size, StageTimes t) {
    const auto step =
        simulate_schedule(make_schedule("forward-only", size), even_costs(size.ranks, t));
    expect_idle(step, size.micro_batches * t.forward, (size.ranks - 1) * t.forward);
    EXPECT_EQ(step.ranks[0].peak_activations, 0);
  });
}

// Each of these micro-batches comes a turn earlier than it is wanted.
TEST(SimulateFormulasTest, TransfersAddNothingToTheSteadyStateOfEager1F1B) {
  const auto turn_of = [](const std::string& name, double latency) {
    StepCosts costs = even_costs(4, {.forward = 2, .input_gradient = 2, .weight_gradient = 2});
    costs.link.latency = latency;
    const auto makespan = [&](int m) {
      return simulate_schedule(make_schedule(name, {.ranks = 4, .micro_batches = m}), costs)
          .makespan;
    };
    return (makespan(40) - makespan(20)) / 20;
  };
  EXPECT_EQ(turn_of("1f1b", 0), 6);
  EXPECT_GT(turn_of("1f1b", 1), 6);
  EXPECT_EQ(turn_of("eager-1f1b", 1), 6);
}

}  // namespace
}  // namespace lockflight::plan
