// Programs whose optimizer is in the schedule: one step, and several in a row.

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/prove.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "plan/mutations.h"
#include "plan/naive_simulation.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "plan/random_schedules.h"
#include "sanitized.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr unsigned kRandomOptimizerPrograms = test::kSanitized ? 60 : 600;
constexpr int kOptimizerMutations = test::kSanitized ? 400 : 4000;

constexpr LowerOptions kInSchedule{.optimizer = OptimizerPlace::in_schedule};

Program lowered(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties = {}) {
  return lower(schedule, ties, kInSchedule);
}

Program random_program(unsigned seed) {
  std::mt19937 random(seed);
  const auto placement = random_placement(random);
  const auto schedule =
      random_schedule(placement, 1 + static_cast<int>(seed % 4), seed % 2 == 0, random);
  std::vector<TiedStages> ties;
  if (seed % 3 == 0) {
    ties.push_back({.first = 0, .second = placement.stages() - 1});
  }
  return lower(
      schedule, ties,
      {.receive_ahead = static_cast<int>(seed / 4 % 4), .optimizer = OptimizerPlace::in_schedule});
}

std::string text_of_phase(const Program& program, int rank) {
  std::string text;
  const auto& instructions = program.ranks[rank].instructions;
  for (std::size_t i = update_phase(program.ranks[rank]); i < instructions.size(); ++i) {
    text += std::to_string(instructions[i].stream) + " " + to_string(instructions[i]) + "\n";
  }
  return text;
}

TEST(OptimizerInScheduleTest, SumsTravelToTheLastRankAndBack) {
  const Program program = lowered(make_schedule("gpipe", {.ranks = 3, .micro_batches = 1}));
  EXPECT_EQ(text_of_phase(program, 0),
            "0 gradient_sums\n"
            "0 record event 4\n"
            "3 wait event 4\n"
            "3 send_sums to rank 1\n"
            "3 record event 5\n"
            "4 wait event 4\n"
            "4 recv_sums from rank 1\n"
            "4 read_sums\n"
            "4 record event 6\n"
            "0 update\n"
            "0 wait event 5\n"
            "0 wait event 6\n"
            "0 validate\n");
  EXPECT_EQ(text_of_phase(program, 2),
            "0 gradient_sums\n"
            "3 recv_sums from rank 1\n"
            "3 record event 4\n"
            "0 wait event 4\n"
            "0 add_sums\n"
            "0 read_sums\n"
            "0 record event 5\n"
            "4 wait event 5\n"
            "4 send_sums to rank 1\n"
            "4 record event 6\n"
            "0 update\n"
            "0 wait event 6\n"
            "0 validate\n");
}

TEST(OptimizerInScheduleTest, OneRankKnowsAllAtOnce) {
  const Program program = lowered(make_schedule("gpipe", {.ranks = 1, .micro_batches = 2}));
  EXPECT_EQ(text_of_phase(program, 0),
            "0 gradient_sums\n"
            "0 read_sums\n"
            "0 record event 0\n"
            "0 update\n"
            "0 validate\n");
  EXPECT_EQ(program.ranks[0].prologue, 0U);
}

// ZB-V with p = 2, m = 4.
schedule::Schedule zb_v() {
  return schedule::read_csv(
      "0F0,0F1,0F2,3F0,3I0,3W0,3F1,3I1,3W1,0F3,0I0,0W0,3F2,3I2,3W2,0I1,0W1,3F3,3I3,3W3,0I2,0W2,"
      "0I3,0W3\n"
      "1F0,2F0,1F1,2F1,2I0,2W0,1F2,1I0,1W0,2F2,2I1,2W1,1F3,1I1,1W1,2F3,2I2,2W2,1I2,2I3,1I3,1W2,"
      "2W3,1W3\n");
}

std::vector<std::string> prologue_of(const Program& program, int rank) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < program.ranks[rank].prologue; ++i) {
    const Instruction& instruction = program.ranks[rank].instructions[i];
    if (instruction.opcode == Opcode::compute || instruction.opcode == Opcode::send) {
      texts.push_back(schedule::to_string(instruction.action));
    }
  }
  return texts;
}

TEST(OptimizerInScheduleTest, APrologueHoldsTheForwardsInFrontAndSendsWhatAPrologueTakes) {
  const Program program = lowered(make_schedule("1f1b", {.ranks = 3, .micro_batches = 6}));
  EXPECT_THAT(prologue_of(program, 0),
              ::testing::ElementsAre("0F0", "0SEND_F0", "0F1", "0SEND_F1", "0F2"));
  EXPECT_THAT(prologue_of(program, 1), ::testing::ElementsAre("1F0", "1F1"));
  EXPECT_THAT(prologue_of(program, 2), IsEmpty());
}

TEST(OptimizerInScheduleTest, APrologueStopsWhereItsInputIsMadeBehindOne) {
  // 3F0 needs 2F0 of the last rank.
  EXPECT_THAT(prologue_of(lowered(zb_v()), 0), ::testing::ElementsAre("0F0", "0F1", "0F2"));
}

TEST(OptimizerInScheduleTest, EveryScheduleIsProvedAndRunsByTheRulesOfASimulation) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
      for (const int micro_batches : {1, 2, 4, 8}) {
        schedule::Schedule schedule;
        try {
          schedule = make_schedule(info.name, {.ranks = ranks, .micro_batches = micro_batches});
        } catch (const InvalidArgument&) {
          continue;  // it does not admit this size
        }
        SCOPED_TRACE(std::string(info.name) + " p" + std::to_string(ranks) + " m" +
                     std::to_string(micro_batches));
        const std::vector<TiedStages> ties = {
            {.first = 0, .second = schedule.placement.parts() - 1}};
        const Program program = lowered(schedule, ties);
        EXPECT_EQ(text_of(prove(program)), "");
        EXPECT_EQ(validates(program), schedule::has_backward(schedule));
        const SimulationResult result = ProgramSimulation(program).run();
        EXPECT_TRUE(result.drained);
        EXPECT_THAT(result.races, IsEmpty());
        EXPECT_THAT(result.wrong, IsEmpty());
        const Program own_order = program_of(with_transfers(schedule), ties, kInSchedule);
        EXPECT_EQ(text_of(prove(own_order)), "");
        EXPECT_EQ(own_order.ranks[0].prologue, 0U);
        EXPECT_EQ(validates(own_order), schedule::has_backward(schedule));
        EXPECT_TRUE(ProgramSimulation(unroll(own_order, {Verdict::amended})).run().drained);
      }
    }
  }
}

TEST(OptimizerInScheduleTest, StepsInARowDrainWithoutARaceWhateverTheVerdicts) {
  using enum Verdict;
  for (unsigned seed = 0; seed < kRandomOptimizerPrograms && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const Program program = random_program(seed);
    EXPECT_EQ(text_of(prove(program)), "");
    for (const std::vector<Verdict>& verdicts : {std::vector{accepted, accepted},
                                                 {accepted, amended},
                                                 {amended, accepted},
                                                 {amended, amended}}) {
      const SimulationResult result = ProgramSimulation(unroll(program, verdicts)).run();
      EXPECT_TRUE(result.drained);
      EXPECT_THAT(result.races, IsEmpty());
    }
  }
}

TEST(OptimizerInScheduleTest, ARowOfOneStepIsTheStep) {
  const Program program = lowered(make_schedule("1f1b", {.ranks = 3, .micro_batches = 3}));
  EXPECT_EQ(to_string(unroll(program, 1)), to_string(program));
  const Program plain = lower(make_schedule("1f1b", {.ranks = 3, .micro_batches = 3}), {});
  const Program three = unroll(plain, 3);
  EXPECT_EQ(three.ranks[1].instructions.size(), 3 * plain.ranks[1].instructions.size());
  EXPECT_TRUE(ProgramSimulation(three).run().drained);
  EXPECT_THROW(unroll(program, {Verdict::refused}), InvalidArgument);
  EXPECT_THROW(unroll(program, 0), InvalidArgument);
}

// The proof refuses a program without any one of the waits of its update phase.
TEST(OptimizerInScheduleTest, EveryWaitOfTheUpdateIsNeeded) {
  const Program whole =
      lowered(make_schedule("1f1b", {.ranks = 3, .micro_batches = 3}), {{.first = 0, .second = 2}});
  for (int rank = 0; rank < 3; ++rank) {
    const auto& instructions = whole.ranks[rank].instructions;
    for (std::size_t i = update_phase(whole.ranks[rank]); i < instructions.size(); ++i) {
      if (instructions[i].opcode == Opcode::wait) {
        Program broken = whole;
        take(broken, rank, i);
        EXPECT_FALSE(prove(broken).proved())
            << "rank " << rank << " without " << to_string(instructions[i]);
      }
    }
  }
}

TEST(OptimizerInScheduleTest, AProofAcceptsOnlyWhatRuns) {
  std::vector<Program> programs;
  for (const char* name : {"gpipe", "1f1b"}) {
    for (const int ranks : {2, 3}) {
      programs.push_back(lowered(make_schedule(name, {.ranks = ranks, .micro_batches = 3}),
                                 {{.first = 0, .second = ranks - 1}}));
    }
  }
  int accepted = 0;
  for (int seed = 0; seed < kOptimizerMutations; ++seed) {
    const Program& original = programs[seed % programs.size()];
    const Mutation mutation = Mutator(original, seed).mutate();
    const Proof proof = prove(mutation.program);
    if (!proof.proved()) {
      continue;
    }
    ++accepted;
    const std::string what = "seed " + std::to_string(seed) + ", " + mutation.what;
    const SimulationResult one = ProgramSimulation(mutation.program).run();
    EXPECT_TRUE(one.drained) << what;
    EXPECT_THAT(one.races, IsEmpty()) << what;
    EXPECT_THAT(one.wrong, IsEmpty()) << what;
    for (const Verdict verdict : {Verdict::accepted, Verdict::amended}) {
      const SimulationResult two =
          ProgramSimulation(unroll(mutation.program, std::vector{verdict})).run();
      EXPECT_TRUE(two.drained) << what;
      EXPECT_THAT(two.races, IsEmpty()) << what;
    }
  }
  EXPECT_GT(accepted, kOptimizerMutations / 20);
}

TEST(OptimizerInScheduleTest, AProofRefusesProloguesThatDoNotFitTogether) {
  const Program whole = lowered(make_schedule("1f1b", {.ranks = 3, .micro_batches = 6}));
  Program longer = whole;
  longer.ranks[1].prologue = find(longer, 1, "recv 1RECV_B0");
  EXPECT_THAT(text_of(prove(longer)), HasSubstr("stands in the prologue, but"));
  Program shorter = whole;
  shorter.ranks[1].prologue = find(shorter, 1, "recv 1RECV_F1");
  EXPECT_THAT(text_of(prove(shorter)),
              HasSubstr("send 0SEND_F1 slot 1 to rank 1 stands in the prologue, but"));
  Program plain = lower(make_schedule("1f1b", {.ranks = 3, .micro_batches = 6}), {});
  plain.ranks[0].prologue = 1;
  EXPECT_THAT(text_of(prove(plain)), HasSubstr("its prologue has 1 instructions"));
}

TEST(OptimizerInScheduleTest, AProofRefusesAnUpdatePhaseOfAnotherForm) {
  const Program whole = lowered(make_schedule("1f1b", {.ranks = 3, .micro_batches = 2}));
  Program broken = whole;
  take(broken, 1, find(broken, 1, "add_sums"));
  EXPECT_THAT(text_of(prove(broken)),
              HasSubstr("its update phase has send_sums to rank 2 where add_sums belongs"));
  broken = whole;
  take(broken, 2, find(broken, 2, "validate"));
  EXPECT_THAT(text_of(prove(broken)), HasSubstr("its update phase ends before validate"));
  broken = whole;
  broken.ranks[0].instructions[find(broken, 0, "send_sums")].peer = 2;
  EXPECT_FALSE(prove(broken).proved());
}

// --- Times of several steps.

StepCosts unit_costs(int stages, int ranks) {
  return {.stages = std::vector<StageCosts>(stages, {.times = {1, 1, 1}}),
          .update = std::vector<double>(ranks, 0)};
}

// Ranks work from their first action to the end of the last step; a barrier costs p - 1 a step.
TEST(OptimizerInScheduleTest, ZeroBubbleSchedulesHaveNoIdleTimeBetweenSteps) {
  constexpr int kSteps = 4;
  for (const auto& [name, chunks] : {std::pair{"zb-2p", 1}, {"zb-v", 2}}) {
    for (int ranks = 1; ranks <= 8; ++ranks) {
      for (const int micro_batches : {2 * ranks - 1, 2 * ranks, 3 * ranks}) {
        SCOPED_TRACE(::testing::Message() << name << " p" << ranks << " m" << micro_batches);
        const auto schedule = make_schedule(
            name, {.ranks = ranks, .micro_batches = micro_batches, .stages_per_rank = chunks});
        const StepCosts costs = unit_costs(chunks * ranks, ranks);
        const int busy = 3 * chunks * micro_batches;
        const auto steps = simulate(unroll(lowered(schedule), kSteps), costs);
        EXPECT_EQ(steps.idle_span(), 0);
        EXPECT_EQ(steps.makespan, kSteps * busy + ranks - 1);
        const auto barriers = simulate(unroll(lower(schedule, {}), kSteps), costs);
        EXPECT_EQ(barriers.makespan, kSteps * (busy + ranks - 1));
      }
    }
  }
}

TEST(OptimizerInScheduleTest, AnAmendedUpdateCostsTheUpdateAndThePrologueAgain) {
  StepCosts costs = unit_costs(3, 3);
  costs.update = {2, 2, 2};
  const Program program = lowered(make_schedule("zb-2p", {.ranks = 3, .micro_batches = 6}));
  const auto kept = simulate(unroll(program, {Verdict::accepted}), costs);
  const auto amended = simulate(unroll(program, {Verdict::amended}), costs);
  EXPECT_EQ(kept.idle_span(), 0);
  EXPECT_EQ(amended.ranks[0].computing, kept.ranks[0].computing + 5);
  EXPECT_EQ(amended.ranks[0].busy, kept.ranks[0].busy + 5 + 2);
  EXPECT_GT(amended.makespan, kept.makespan);
}

TEST(OptimizerInScheduleTest, TimesAgreeWithASimulationTickByTick) {
  for (unsigned seed = 0; seed < kRandomOptimizerPrograms / 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const Program program = unroll(random_program(seed), 1 + seed % 3);
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> time(0, 4);
    StepCosts costs;
    for (int stage = 0; stage < program.placement.stages(); ++stage) {
      costs.stages.push_back(
          {.times = {1.0 + time(random), 1.0 + time(random), 0.0 + time(random)}});
    }
    for (int rank = 0; rank < program.placement.ranks(); ++rank) {
      costs.update.push_back(time(random));
    }
    costs.link.latency = time(random);
    const SimulatedStep step = simulate(program, costs);
    const SimulatedStep naive = NaiveSimulation(program, costs).run();
    EXPECT_EQ(step.makespan, naive.makespan);
    for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
      EXPECT_EQ(step.ranks[rank].busy, naive.ranks[rank].busy) << "rank " << rank;
      EXPECT_EQ(step.ranks[rank].idle.total(), step.makespan - step.ranks[rank].busy)
          << "rank " << rank;
    }
  }
}

}  // namespace
}  // namespace lockflight::plan
