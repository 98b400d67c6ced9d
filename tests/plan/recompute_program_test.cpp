// R in programs: where lowering and transcription put it, and what the proof says of one that is
// missing, doubled or in the wrong place.

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "plan/random_schedules.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;
using schedule::Schedule;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

std::vector<bool> every_stage(const Schedule& schedule) {
  return std::vector<bool>(static_cast<std::size_t>(schedule.stages()), true);
}

Program program_with(const Schedule& schedule, const std::vector<bool>& recomputes,
                     LowerOptions options = {}) {
  options.recomputes = recomputes;
  return program_of(schedule, {}, options);
}

bool is_recompute(const Instruction& instruction) {
  return instruction.opcode == Opcode::compute && instruction.action.kind == ActionKind::recompute;
}

std::string without_recomputes(Program program) {
  for (RankProgram& rank : program.ranks) {
    std::erase_if(rank.instructions, is_recompute);
  }
  return to_string(program);
}

// By its definition: the mark, another rank behind, and no pair.
std::map<std::string, int> expected_recomputes(const Schedule& schedule,
                                               const std::vector<bool>& marks) {
  std::map<std::string, int> expected;
  for (const auto& row : schedule.rows) {
    for (const schedule::Cell& cell : row) {
      for (const schedule::Action& action : cell) {
        const bool backward =
            action.kind == ActionKind::backward || action.kind == ActionKind::input_gradient;
        const int next = action.stage + 1;
        if (backward && !schedule::is_overlapped(cell) && marks[action.stage] &&
            next < schedule.stages() &&
            schedule.placement.rank_of(action.stage) != schedule.placement.rank_of(next)) {
          ++expected[std::to_string(action.stage) + "R" + std::to_string(action.micro_batch)];
        }
      }
    }
  }
  return expected;
}

// Behind each R stand the wait for its gradient's receive, which is posted before it, and its
// backward.
void expect_in_front_of_the_wait(const RankProgram& rank, std::size_t position) {
  const std::vector<Instruction>& all = rank.instructions;
  const schedule::Action& action = all[position].action;
  ASSERT_LT(position + 2, all.size());
  const Instruction& wait = all[position + 1];
  const Instruction& backward = all[position + 2];
  EXPECT_EQ(wait.opcode, Opcode::wait);
  EXPECT_EQ(wait.stream, 0);
  EXPECT_EQ(backward.opcode, Opcode::compute);
  EXPECT_TRUE(backward.action.kind == ActionKind::backward ||
              backward.action.kind == ActionKind::input_gradient);
  EXPECT_EQ(backward.action.stage, action.stage);
  EXPECT_EQ(backward.action.micro_batch, action.micro_batch);
  const auto recv = std::find_if(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(position), [&](const Instruction& i) {
        return i.opcode == Opcode::recv &&
               i.action ==
                   schedule::Action{action.stage, ActionKind::recv_backward, action.micro_batch};
      });
  ASSERT_NE(recv, all.begin() + static_cast<std::ptrdiff_t>(position));
  EXPECT_EQ((recv + 1)->opcode, Opcode::record);
  EXPECT_EQ((recv + 1)->event, wait.event);
}

void expect_right(const Schedule& schedule, const std::vector<bool>& marks,
                  const LowerOptions& options = {}) {
  const Program program = program_with(schedule, marks, options);
  EXPECT_EQ(without_recomputes(program), to_string(program_of(schedule, {}, options)));
  std::map<std::string, int> found;
  for (const RankProgram& rank : program.ranks) {
    for (std::size_t i = 0; i < rank.instructions.size(); ++i) {
      if (is_recompute(rank.instructions[i])) {
        ++found[schedule::to_string(rank.instructions[i].action)];
        expect_in_front_of_the_wait(rank, i);
      }
    }
  }
  EXPECT_EQ(found, expected_recomputes(schedule, marks));
  EXPECT_EQ(text_of(prove(program)), "");
  const SimulationResult result = ProgramSimulation(program).run();
  EXPECT_TRUE(result.drained);
  EXPECT_THAT(result.races, IsEmpty());
  EXPECT_THAT(result.wrong, IsEmpty());
}

TEST(RecomputeProgramTest, AnRIsTheOnlyLineMoreAndStandsInFrontOfTheWaitForTheGradient) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 1});
  std::string expected = to_string(lower(schedule, {}));
  const std::string wait = "  stream 0: wait event 1\n  stream 0: compute 0B0\n";
  ASSERT_NE(expected.find(wait), std::string::npos);
  expected.insert(expected.find(wait), "  stream 0: compute 0R0\n");
  EXPECT_EQ(to_string(program_with(schedule, {true, true})), expected);
}

TEST(RecomputeProgramTest, EveryScheduleInBothDialectsHasOneForEachBackwardThatWaits) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const auto& size : schedule::sizes_of(info, 4, std::array{1, 3, 8}, 2)) {
      SCOPED_TRACE(::testing::Message() << info.name << " p " << size.ranks << " m "
                                        << size.micro_batches << " v " << size.stages_per_rank);
      const Schedule schedule = info.make(size);
      expect_right(schedule, every_stage(schedule));
      expect_right(with_transfers(schedule, TransferCells::own), every_stage(schedule));
    }
  }
}

TEST(RecomputeProgramTest, RandomSchedulesOfRandomStagesHaveThem) {
  for (unsigned seed = 0; seed < 120; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const Schedule schedule = random_schedule(
        random_placement(random), 1 + static_cast<int>(seed % 4), seed % 3 == 0, random);
    std::vector<bool> marks;
    for (int stage = 0; stage < schedule.stages(); ++stage) {
      marks.push_back(random() % 2 == 0);
    }
    expect_right(
        schedule, marks,
        {.receive_ahead = static_cast<int>(seed % 3),
         .optimizer = seed % 2 == 0 ? OptimizerPlace::after_step : OptimizerPlace::in_schedule});
  }
}

// Pairs in the steady state of 1F1B.
TEST(RecomputeProgramTest, ABackwardBesideAForwardHasNone) {
  const Schedule schedule = schedule::read_csv(kPairs);
  expect_right(schedule, {true, true});
  expect_right(with_transfers(schedule, TransferCells::own), {true, true});
  Program program = program_with(schedule, {true, true});
  put(program, 0, find(program, 0, "compute 0F1") + 1, {.action = {0, ActionKind::recompute, 0}});
  EXPECT_EQ(text_of(prove(program)),
            "incomplete: rank 0, stream 3, instruction " +
                std::to_string(find(program, 0, "compute 0B0")) +
                ": compute 0B0 recomputes by itself, but 0R0 stands in front of it\n");
}

TEST(RecomputeProgramTest, ForwardsAloneHaveNone) {
  const auto schedule = schedule::make_schedule("forward-only", {.ranks = 3, .micro_batches = 2});
  EXPECT_EQ(to_string(program_with(schedule, every_stage(schedule))),
            to_string(lower(schedule, {})));
  EXPECT_THAT(program_with(schedule, every_stage(schedule)).recomputes, IsEmpty());
}

struct MisplacedRecompute {
  const char* name;
  std::function<void(Program&)> plant;
  std::vector<std::string> findings;
};

Instruction recompute(int stage, int micro_batch) {
  return {.action = {stage, ActionKind::recompute, micro_batch}};
}

// In rank 1 of three: stage 1.
const std::vector<MisplacedRecompute>& misplaced_recomputes() {
  static const std::vector<MisplacedRecompute> misplaced_recomputes = {
      {.name = "dropped",
       .plant = [](Program& p) { take(p, 1, find(p, 1, "compute 1R1")); },
       .findings = {"compute 1I1 has no 1R1 in front of it"}},
      {.name = "done twice",
       .plant = [](Program& p) { put(p, 1, find(p, 1, "compute 1R1"), recompute(1, 1)); },
       .findings = {"compute 1R1 runs a second time"}},
      {.name = "behind its backward",
       .plant =
           [](Program& p) { move(p, 1, find(p, 1, "compute 1R1"), find(p, 1, "compute 1I1") + 1); },
       .findings = {"compute 1I1 has no 1R1 in front of it",
                    "compute 1R1 stands behind the backward that needs it"}},
      {.name = "of another micro-batch",
       .plant =
           [](Program& p) {
             p.ranks[1].instructions[find(p, 1, "compute 1R1")].action.micro_batch = 2;
           },
       .findings = {"compute 1I1 has no 1R1 in front of it", "compute 1R2 runs a second time"}},
      {.name = "before its forward",
       .plant = [](Program& p) { move(p, 1, find(p, 1, "compute 1R2"), 0); },
       .findings = {"compute 1R2 stands before its forward"}},
      {.name = "of a stage that does not",
       .plant = [](Program& p) { put(p, 2, find(p, 2, "compute 2I1"), recompute(2, 1)); },
       .findings = {"compute 2R1 recomputes, but the program says that stage 2 does not ahead of "
                    "its backwards"}},
      {.name = "on a stream of transfers",
       .plant = [](Program& p) { p.ranks[1].instructions[find(p, 1, "compute 1R1")].stream = 1; },
       .findings = {"compute 1R1 is on stream 1, which carries transfers"}},
      {.name = "on another rank",
       .plant = [](Program& p) { put(p, 0, find(p, 0, "compute 0I1"), recompute(1, 1)); },
       .findings = {"compute 1R1 belongs on rank 1, which holds stage 1"}},
      {.name = "with a slot",
       .plant = [](Program& p) { p.ranks[1].instructions[find(p, 1, "compute 1R1")].slot = 0; },
       .findings = {"compute 1R1 takes slot 0, but there is nothing for it"}},
      {.name = "said of too few stages",
       .plant = [](Program& p) { p.recomputes.pop_back(); },
       .findings = {"it says of 2 stages whether they recompute, but has 3"}},
  };
  return misplaced_recomputes;
}

TEST(RecomputeProgramTest, TheProofNamesEveryOneThatIsWrong) {
  const auto schedule = schedule::make_schedule("zb-1p", {.ranks = 3, .micro_batches = 4});
  const Program right = program_with(schedule, every_stage(schedule));
  EXPECT_EQ(text_of(prove(right)), "");
  for (const MisplacedRecompute& fault : misplaced_recomputes()) {
    SCOPED_TRACE(fault.name);
    Program program = right;
    fault.plant(program);
    const Proof proof = prove(program);
    std::vector<std::string> sentences;
    for (const Finding& finding : proof.findings) {
      sentences.push_back(finding.sentence);
      EXPECT_EQ(finding.kind, Finding::Kind::incomplete);
    }
    EXPECT_THAT(sentences, ::testing::UnorderedElementsAreArray(fault.findings));
  }
}

// Beside a second compute stream, an R there could run at the same time as its forward.
TEST(RecomputeProgramTest, StandsOnTheStreamOfForwards) {
  Program program = program_with(schedule::read_csv(kPairs), {true, true});
  program.ranks[0].instructions[find(program, 0, "compute 0R1")].stream =
      program.ranks[0].instructions[find(program, 0, "compute 0B0")].stream;
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("compute 0R1 is on stream 3, but runs on stream 0"));
}

TEST(RecomputeProgramTest, InAPrologueItIsNoForward) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 4});
  Program program =
      program_with(schedule, every_stage(schedule), {.optimizer = OptimizerPlace::in_schedule});
  EXPECT_EQ(text_of(prove(program)), "");
  RankProgram& rank = program.ranks[0];
  ASSERT_GT(rank.prologue, 0U);
  const std::size_t at = find(program, 0, "compute 0R0");
  move(program, 0, at, find(program, 0, "compute 0F0") + 1);
  ++rank.prologue;
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("compute 0R0 is no forward, but stands in the prologue"));
}

TEST(RecomputeProgramTest, StandsInNoScheduleAndNoFile) {
  EXPECT_THAT([] { schedule::read_csv("0F0,0R0,0B0\n"); },
              ThrowsMessage<DataError>(HasSubstr("\"R\" is none of the kinds F, I, W, B, SEND_F")));
  Schedule schedule = schedule::read_csv("0F0,0B0\n");
  schedule.rows[0].insert(schedule.rows[0].begin() + 1,
                          {schedule::Action{0, ActionKind::recompute, 0}});
  EXPECT_THAT(schedule::validate(schedule),
              ElementsAre("rank 0: 0R0 is for programs; lowering places what recomputes"));
  EXPECT_THAT([&] { lower(schedule, {}); }, ThrowsMessage<PlanError>(HasSubstr("0R0 is for")));
  EXPECT_THAT([&] { transcribe(schedule); },
              ThrowsMessage<DataError>(HasSubstr("0R0: it is for programs")));
}

TEST(RecomputeProgramTest, TakesOneMarkForEachStage) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 2});
  for (const Schedule& dialect : {schedule, with_transfers(schedule, TransferCells::own)}) {
    EXPECT_THAT([&] { program_with(dialect, {true}); },
                ThrowsMessage<InvalidArgument>(HasSubstr("1 marks of stages that recompute, but "
                                                         "schedule 1f1b has 2 stages")));
  }
}

}  // namespace
}  // namespace lockflight::plan
