// Two copies of the model in a program: lowered, proved and simulated.

#include "plan/copies.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "sanitized.h"

namespace lockflight::plan {

void PrintTo(const TiedStages& tie, std::ostream* out) {
  *out << '(' << tie.first << ", " << tie.second << ')';
}

namespace {

using schedule::make_schedule;
using schedule::Placement;
using schedule::StageTimes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kMostMicroBatches = test::kSanitized ? 12 : 24;

testing::Matcher<TiedStages> is_tie(int first, int second) {
  return testing::AllOf(testing::Field(&TiedStages::first, first),
                        testing::Field(&TiedStages::second, second));
}

schedule::Schedule dualpipe(int ranks, int micro_batches) {
  return make_schedule("dualpipe", {.ranks = ranks, .micro_batches = micro_batches});
}

void for_each_size(const std::function<void(int, int)>& check) {
  for (int p = 2; p <= 8; p += 2) {
    for (int m = 2 * p; m <= kMostMicroBatches; m += 2) {
      SCOPED_TRACE(::testing::Message() << "p " << p << " m " << m);
      check(p, m);
    }
  }
}

TEST(CopiesTest, EveryPartIsTiedAndThenWhatTheModelTies) {
  const std::vector<TiedStages> of_model = {{.first = 0, .second = 3}, {.first = 1, .second = 1}};
  EXPECT_THAT(ties_of_copies(Placement::v(2), of_model), ElementsAre(is_tie(0, 3), is_tie(1, 1)));
  const auto ties = ties_of_copies(Placement::two_way(4), of_model);
  EXPECT_THAT(ties, ElementsAre(is_tie(0, 4), is_tie(1, 5), is_tie(2, 6), is_tie(3, 7),
                                is_tie(0, 3), is_tie(1, 1), is_tie(4, 7), is_tie(5, 5)));
  EXPECT_THAT(ties_of_model({.micro_batches = 2, .placement = Placement::two_way(4), .ties = ties}),
              ElementsAre(is_tie(0, 3), is_tie(1, 1)));
  EXPECT_THROW(ties_of_copies(Placement::two_way(4), {{.first = 0, .second = 4}}), InvalidArgument);
}

TEST(CopiesTest, EverySizeIsProvedInBothDialects) {
  for_each_size([](int p, int m) {
    const schedule::Schedule schedule = dualpipe(p, m);
    for (const std::vector<TiedStages>& ties : {std::vector<TiedStages>{},
                                                {{.first = 0, .second = p - 1}},
                                                {{.first = 1, .second = 1}}}) {
      for (const OptimizerPlace place : {OptimizerPlace::after_step, OptimizerPlace::in_schedule}) {
        EXPECT_EQ(text_of(prove(lower(schedule, ties, {.optimizer = place}))), "");
      }
      EXPECT_EQ(text_of(prove(transcribe(with_transfers(schedule), ties).program)), "");
    }
  });
}

TEST(CopiesTest, ProgramsRunByTheRulesOfAPlainSimulation) {
  for (const auto& [p, m] : {std::pair{2, 4}, {2, 6}, {4, 8}, {4, 10}, {6, 12}}) {
    const Program program = lower(dualpipe(p, m), {{.first = 0, .second = p - 1}});
    const SimulationResult result = ProgramSimulation(program).run();
    EXPECT_TRUE(result.drained);
    EXPECT_THAT(result.races, IsEmpty());
    EXPECT_THAT(result.wrong, IsEmpty());
    std::size_t actions = 0;
    for (int rank = 0; rank < p; ++rank) {
      actions += dualpipe(p, m).actions(rank).size();
    }
    EXPECT_EQ(result.compute_order.size(), actions);
  }
}

// (p/2 − 1)(FB + B − 3W), and p + 1 micro-batches of one stage, on every rank.
TEST(CopiesTest, SimulatesToTheClosedForms) {
  for_each_size([](int p, int m) {
    const SimulatedStep step =
        simulate(lower(dualpipe(p, m), {}),
                 {.stages = std::vector<StageCosts>(2 * p, {.times = {1, 1, 1}})});
    const double idle = 2 * (p / 2 - 1);
    EXPECT_EQ(step.makespan, 3 * m + idle);
    for (const SimulatedRank& rank : step.ranks) {
      EXPECT_EQ(rank.busy, 3 * m);
      EXPECT_EQ(rank.idle.total(), idle);
      EXPECT_EQ(rank.peak_activations, p + 1);
    }
  });
}

TEST(CopiesTest, AddingUpTheCopiesTakesItsTime) {
  StepCosts costs{.stages = std::vector<StageCosts>(4, {.times = {1, 1, 1}}),
                  .link = {.bandwidth = 2}};
  const Program program = lower(dualpipe(2, 4), {});
  EXPECT_EQ(simulate(program, costs).makespan, 12);
  costs.copy_bytes = {10, 6};
  EXPECT_EQ(simulate(program, costs).makespan, 12 + 5 + 3);
  costs.copy_bytes = {10};
  EXPECT_THROW(simulate(program, costs), InvalidArgument);
}

// Two ranks, stages 0 and 3 on the first, 1 and 2 on the second; the model's ends tied.
Program program_of_two() { return lower(dualpipe(2, 4), {{.first = 0, .second = 1}}); }

TEST(CopiesTest, RefusesCopiesThatAreNotAddedUp) {
  Program program = program_of_two();
  ASSERT_EQ(text_of(prove(program)), "");
  program.ties[1] = program.ties[0];
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("no tie adds up stages 1 and 3, the two copies of part 1"));
  program = program_of_two();
  take(program, 0, find(program, 0, "reduce_tied 1"));
  EXPECT_THAT(text_of(prove(program)), HasSubstr("the sum of tie 1 is missing"));
}

// Ties 0 and 1 are of the parts, tie 2 is the model's in the first copy.
TEST(CopiesTest, RefusesATieOfTheModelBeforeTheSumOverItsCopies) {
  Program program = program_of_two();
  for (const int rank : {0, 1}) {
    auto& instructions = program.ranks[rank].instructions;
    const std::size_t part = find(program, rank, "reduce_tied 0");
    const std::size_t tie = find(program, rank, "reduce_tied 2");
    ASSERT_LT(part, tie);
    std::swap(instructions[part], instructions[tie]);
  }
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("stands before tie 0, the sum over the two copies of part 0"));
}

TEST(CopiesTest, RefusesTiesThatAreNotOrdered) {
  Program program = program_of_two();
  const std::size_t part = find(program, 0, "reduce_tied 0");
  const Instruction waits = program.ranks[0].instructions.at(part + 2);
  ASSERT_EQ(waits.opcode, Opcode::wait);
  move(program, 0, part + 2, find(program, 0, "gradient_norm"));
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("reduce_tied 2 touches the gradients of tie 2 like reduce_tied 0"));
}

TEST(CopiesTest, RefusesAMicroBatchOfTheOtherCopy) {
  Program program = program_of_two();
  program.ranks[0].instructions[find(program, 0, "compute 0F0")].action.micro_batch = 2;
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("is of no stage among 0 to 3 or no micro-batch among 0 to 1"));
  program = program_of_two();
  program.ranks[0].slots[0].stage = 1;  // between the copies lies no boundary
  EXPECT_THAT(text_of(prove(program)), HasSubstr("between which no boundary lies"));
  program = program_of_two();
  program.micro_batches = 5;
  EXPECT_THAT(text_of(prove(program)), HasSubstr("cannot share 5 micro-batches evenly"));
}

TEST(CopiesTest, RefusesAMissingActionOfEitherCopy) {
  for (const auto& [action, rank] : {std::pair{"0B0", 0}, {"3F3", 0}, {"2B2", 1}}) {
    Program program = program_of_two();
    const std::size_t place = find(program, rank, std::string("compute ") + action);
    take(program, rank, place);
    EXPECT_THAT(text_of(prove(program)), HasSubstr(std::string(action) + " is missing"));
  }
}

nn::Model tied_gpt2() {
  return nn::gpt2(
      {.vocabulary = 64, .context = 16, .layers = 6, .heads = 2, .width = 32, .tied = true});
}

TEST(CopiesTest, SplitsTheModelOnceForBothCopies) {
  nn::Model model = tied_gpt2();
  const Plan plan = make_plan(model, 4, {.micro_batches = 8, .schedule = "dualpipe"});
  ASSERT_EQ(plan.stages.size(), 8U);
  for (int part = 0; part < 4; ++part) {
    EXPECT_EQ(plan.stages[part].rank, part);
    EXPECT_EQ(plan.stages[4 + part].rank, 3 - part);
    EXPECT_EQ(plan.stages[4 + part].first_layer, plan.stages[part].first_layer);
    EXPECT_EQ(plan.stages[4 + part].layers, plan.stages[part].layers);
    EXPECT_EQ(plan.stages[4 + part].boundary_bytes, plan.stages[part].boundary_bytes);
  }
  EXPECT_THAT(ties_of_model(plan.program), ElementsAre(is_tie(0, 3)));
  const Plan given =
      make_plan(model, 4, {.micro_batches = 8, .schedule = "dualpipe", .split = {1, 2, 3, 9}});
  EXPECT_EQ(given.stages[7].layers, 9);
  EXPECT_THROW(
      make_plan(model, 4,
                {.micro_batches = 8, .schedule = "dualpipe", .split = {1, 2, 3, 1, 1, 1, 1, 5}}),
      InvalidArgument);
}

// As even as for ranks with one part each, or with the two that a rank holds, whichever is faster.
TEST(CopiesTest, TakesTheFasterOfTwoSplits) {
  nn::Model model = tied_gpt2();
  const PlanOptions options{.micro_batch = {.rows = 4}, .micro_batches = 8, .schedule = "dualpipe"};
  const double best = make_plan(model, 4, options).prediction.step_seconds;
  PlanOptions given = options;
  for (const Plan& other :
       {make_plan(model, 4, {.micro_batch = {.rows = 4}, .micro_batches = 8, .schedule = "1f1b"}),
        make_plan(model, 2,
                  {.micro_batch = {.rows = 4}, .micro_batches = 8, .schedule = "dualpipev"})}) {
    given.split.clear();
    for (const StagePlan& stage : other.stages) {
      given.split.push_back(stage.layers);
    }
    EXPECT_LE(best, make_plan(model, 4, given).prediction.step_seconds * 1.001)
        << other.schedule.name;
  }
}

TEST(CopiesTest, RecomputesInBothCopiesWhereMemoryForcesIt) {
  nn::Model model = tied_gpt2();
  PlanOptions options{.micro_batch = {.rows = 16}, .micro_batches = 8, .schedule = "dualpipe"};
  const auto most_bytes = [&] {
    std::size_t most = 0;
    for (const RankMemory& memory : make_plan(model, 4, options).memory) {
      most = std::max(most, memory.arena_bytes());
    }
    return most;
  };
  const std::size_t plain = most_bytes();
  options.recompute = Recomputation::always;
  const std::size_t least = most_bytes();
  ASSERT_LT(least, plain);
  options.memory_limit_bytes = least + (plain - least) / 16;
  options.recompute = Recomputation::when_needed;
  const Plan less = make_plan(model, 4, options);
  bool any = false;
  for (int part = 0; part < 4; ++part) {
    EXPECT_EQ(less.stages[part].recomputed, less.stages[part + 4].recomputed);
    any = any || !less.stages[part].recomputed.empty();
  }
  EXPECT_TRUE(any);
}

}  // namespace
}  // namespace lockflight::plan
