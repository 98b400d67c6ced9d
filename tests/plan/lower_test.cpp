#include "lockflight/plan/lower.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "plan/program_simulation.h"
#include "plan/random_schedules.h"
#include "sanitized.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

// Of the schedules from which waits are taken out, one by one.
constexpr int kMostStages = test::kSanitized ? 3 : 6;

Program lowered(const std::string& name, int ranks, int micro_batches) {
  return lower(make_schedule(name, {.ranks = ranks, .micro_batches = micro_batches}), {});
}

void for_each_schedule(const std::function<void(const schedule::Schedule&)>& check) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const auto& size : schedule::sizes_of(info, 5, std::array{1, 2, 3, 4, 7}, 3)) {
      SCOPED_TRACE(::testing::Message() << info.name << " p " << size.ranks << " m "
                                        << size.micro_batches << " v " << size.stages_per_rank);
      check(make_schedule(info.name, size));
    }
  }
}

// Two stages a rank in V placement, and stages in any order on the ranks.
void for_each_random_schedule(const std::function<void(const schedule::Schedule&)>& check) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const auto placement = seed % 2 == 0 ? schedule::Placement::v(1 + static_cast<int>(seed % 5))
                                         : random_placement(random);
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    check(random_schedule(placement, 1 + static_cast<int>(seed % 4), seed % 3 == 0, random));
  }
}

TEST(LowerTest, WritesOutTransfersAndDependencies) {
  EXPECT_EQ(to_string(lowered("1f1b", 2, 1)),
            "rank 0\n"
            "  stream 0: allocate slot 0\n"  // a receive is posted one action ahead
            "  stream 0: record event 0\n"
            "  stream 1: wait event 0\n"
            "  stream 1: recv 0RECV_B0 slot 0 from rank 1\n"
            "  stream 1: record event 1\n"
            "  stream 0: compute 0F0\n"
            "  stream 0: record event 2\n"
            "  stream 2: wait event 2\n"
            "  stream 2: send 0SEND_F0 slot 1 to rank 1\n"
            "  stream 2: record event 3\n"
            "  stream 0: wait event 3\n"  // the gradient is there, so the activation was taken
            "  stream 0: release slot 1\n"
            "  stream 0: wait event 1\n"
            "  stream 0: compute 0B0\n"
            "  stream 0: gradient_norm\n"
            "  stream 0: update\n"
            "rank 1\n"
            "  stream 0: allocate slot 0\n"
            "  stream 0: record event 0\n"
            "  stream 1: wait event 0\n"
            "  stream 1: recv 1RECV_F0 slot 0 from rank 0\n"
            "  stream 1: record event 1\n"
            "  stream 0: wait event 1\n"
            "  stream 0: compute 1F0\n"
            "  stream 0: compute 1B0\n"
            "  stream 0: record event 2\n"
            "  stream 2: wait event 2\n"
            "  stream 2: send 1SEND_B0 slot 1 to rank 0\n"
            "  stream 2: record event 3\n"
            "  stream 0: wait event 3\n"
            "  stream 0: release slot 1\n"
            "  stream 0: gradient_norm\n"
            "  stream 0: update\n");
}

void expect_to_run(const schedule::Schedule& schedule, const LowerOptions& options) {
  const auto result = ProgramSimulation(lower(schedule, {}, options)).run();
  EXPECT_TRUE(result.drained);
  EXPECT_THAT(result.races, IsEmpty());
  std::vector<std::string> expected;
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    for (const schedule::Action& action : schedule.actions(rank)) {
      expected.push_back(schedule::to_string(action));
    }
  }
  EXPECT_THAT(result.compute_order, ::testing::UnorderedElementsAreArray(expected));
}

TEST(LowerTest, EveryProgramDrainsWithoutARaceAndRunsEveryAction) {
  for (const int ahead : test::kSanitized ? std::vector{1, 1000} : std::vector{0, 1, 2, 3, 1000}) {
    SCOPED_TRACE(::testing::Message() << "receives " << ahead << " ahead");
    const auto check = [&](const auto& schedule) {
      expect_to_run(schedule, {.receive_ahead = ahead});
    };
    for_each_schedule(check);
    for_each_random_schedule(check);
  }
}

// With several stages a rank and split backwards a micro-batch can be back from the other rank by
// the time at which that one posts the receive of a later one.
bool may_wait_twice(const schedule::Schedule& schedule) {
  const std::vector<schedule::Action> actions = schedule.actions(0);
  return schedule.stages() > schedule.ranks() &&
         std::ranges::find(actions, schedule::ActionKind::weight_gradient,
                           &schedule::Action::kind) != actions.end();
}

// Takes any one wait out of a program: the simulation must see it.  (Where receives are posted at
// another time, or in an order that no generator makes, one wait may include another.)
TEST(LowerTest, EveryWaitIsNeeded) {
  for_each_schedule([&](const schedule::Schedule& schedule) {
    if (may_wait_twice(schedule)) {
      return;
    }
    const Program whole = lower(schedule, {});
    for (std::size_t rank = 0; rank < whole.ranks.size(); ++rank) {
      for (std::size_t i = 0; i < whole.ranks[rank].instructions.size(); ++i) {
        if (whole.ranks[rank].instructions[i].opcode == Opcode::wait &&
            schedule.stages() <= kMostStages) {
          Program broken = whole;
          auto& instructions = broken.ranks[rank].instructions;
          instructions.erase(instructions.begin() + static_cast<std::ptrdiff_t>(i));
          EXPECT_FALSE(ProgramSimulation(broken).run().races.empty())
              << "rank " << rank << ", instruction " << i;
        }
      }
    }
  });
}

// A receive is in front of the action that stands `ahead` before the one that needs it, and behind
// the one before that.  The two of an overlapped pair are received together.
TEST(LowerTest, PostsEachReceiveSoManyActionsAhead) {
  for (const int ahead : {0, 1, 2, 3}) {
    SCOPED_TRACE(::testing::Message() << "receives " << ahead << " ahead");
    const auto check = [&](const schedule::Schedule& schedule) {
      if (std::ranges::any_of(schedule.rows, [](const std::vector<schedule::Cell>& row) {
            return std::ranges::any_of(row, schedule::is_overlapped);
          })) {
        return;
      }
      for (const RankProgram& rank : lower(schedule, {}, {.receive_ahead = ahead}).ranks) {
        std::map<int, int> posted;  // slot → computes in front of its receive
        int computes = 0;
        for (const Instruction& instruction : rank.instructions) {
          if (instruction.opcode == Opcode::recv) {
            posted[instruction.slot] = computes;
          } else if (instruction.opcode == Opcode::compute) {
            if (const auto receive = posted.find(instruction.slot); receive != posted.end()) {
              EXPECT_EQ(receive->second, std::max(0, computes - ahead));
            }
            ++computes;
          }
        }
      }
    };
    for_each_schedule(check);
    for_each_random_schedule(check);
  }
}

// Every edge between stages on different ranks has a channel and a stream at both ends, and no
// other.
TEST(LowerTest, GivesEveryEdgeAStreamOfItsOwn) {
  const auto check = [](const schedule::Schedule& schedule) {
    const Program program = lower(schedule, {});
    std::map<int, std::vector<std::pair<int, int>>> ends;  // channel → (rank, peer), sender first
    for (int rank = 0; rank < schedule.ranks(); ++rank) {
      for (const StreamUse& stream : program.ranks[rank].streams) {
        if (stream.channel >= 0) {
          auto& channel = ends[stream.channel];
          channel.insert(stream.sends ? channel.begin() : channel.end(), {rank, stream.peer});
        }
      }
    }
    std::size_t edges = 0;
    std::size_t ties = 0;  // of two copies, one for each part
    const int parts = schedule.placement.parts();
    for (int stage = 0; stage + 1 < schedule.stages(); ++stage) {
      if (stage + 1 == parts) {
        ties = parts;
        continue;
      }
      const int a = schedule.placement.rank_of(stage);
      const int b = schedule.placement.rank_of(stage + 1);
      if (a != b) {
        EXPECT_THAT(ends[2 * stage], ::testing::ElementsAre(std::pair(a, b), std::pair(b, a)));
        ++edges;
        if (schedule::has_backward(schedule)) {
          EXPECT_THAT(ends[2 * stage + 1],
                      ::testing::ElementsAre(std::pair(b, a), std::pair(a, b)));
          ++edges;
        }
      }
    }
    EXPECT_EQ(ends.size(), edges + ties);
  };
  for_each_schedule(check);
  for_each_random_schedule(check);
}

TEST(LowerTest, KeepsNoMoreBoundariesThanTheScheduleHasInFlight) {
  for (int ranks = 2; ranks <= 6; ++ranks) {
    const auto few = ProgramSimulation(lowered("1f1b", ranks, 4 * ranks)).run();
    const auto many = ProgramSimulation(lowered("1f1b", ranks, 16 * ranks)).run();
    EXPECT_EQ(few.peak_slots, many.peak_slots) << ranks << " ranks";
    EXPECT_LE(many.peak_slots, 2 * ranks + 2) << ranks << " ranks";
  }
}

TEST(LowerTest, AddsUpTiedGradientsAtTheEndOnBothRanks) {
  const auto schedule = make_schedule("1f1b", {.ranks = 3, .micro_batches = 2});
  const Program program = lower(schedule, {{.first = 0, .second = 2}});
  for (const int rank : {0, 2}) {
    const auto& instructions = program.ranks[rank].instructions;
    const auto tie = std::ranges::find(instructions, Opcode::reduce_tied, &Instruction::opcode);
    ASSERT_NE(tie, instructions.end());
    EXPECT_EQ(tie->peer, 2 - rank);
    EXPECT_TRUE(std::none_of(tie, instructions.end(),
                             [](const auto& i) { return i.opcode == Opcode::compute; }));
  }
  EXPECT_EQ(
      std::ranges::count(program.ranks[1].instructions, Opcode::reduce_tied, &Instruction::opcode),
      0);
  EXPECT_TRUE(ProgramSimulation(program).run().drained);
}

TEST(LowerTest, AddsUpTiedGradientsInPlaceOnOneRank) {
  const Program program =
      lower(make_schedule("gpipe", {.ranks = 1, .micro_batches = 2}), {{.first = 0, .second = 0}});
  const auto& instructions = program.ranks[0].instructions;
  const Instruction& tie = instructions[update_phase(program.ranks[0]) - 1];
  EXPECT_EQ(tie.opcode, Opcode::reduce_tied);
  EXPECT_EQ(tie.peer, -1);
}

TEST(LowerTest, SplitsNothingWhereStagesShareARank) {
  schedule::Schedule schedule = schedule::read_csv("0F0,1F0,1B0,0B0\n");
  const Program program = lower(schedule, {});
  EXPECT_EQ(program.ranks[0].streams.size(), 1U);
  EXPECT_EQ(update_phase(program.ranks[0]), 4U);
}

TEST(LowerTest, HandsOverInASlotWhereAVTurns) {
  const auto schedule = schedule::read_csv("0F0,3F0,3B0,0B0\n1F0,2F0,2B0,1B0\n");
  const Program program = lower(schedule, {});
  const RankProgram& turn = program.ranks[1];
  const auto compute_of = [&](const char* action) {
    return *std::ranges::find_if(turn.instructions, [&](const Instruction& instruction) {
      return to_string(instruction) == std::string("compute ") + action;
    });
  };
  EXPECT_GE(compute_of("1F0").output, 0);
  EXPECT_EQ(compute_of("2F0").slot, compute_of("1F0").output);
  EXPECT_GE(compute_of("2B0").output, 0);
  EXPECT_EQ(compute_of("1B0").slot, compute_of("2B0").output);
}

TEST(LowerTest, RefusesReceivesAfterTheirUse) {
  EXPECT_THAT([] { lower(make_schedule("1f1b", {}), {}, {.receive_ahead = -1}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("-1 actions ahead")));
}

TEST(LowerTest, RefusesWhatCannotRun) {
  const auto refusal = [](const char* csv) {
    return [csv] { lower(schedule::read_csv(csv), {}); };
  };
  EXPECT_THAT(refusal("0F0,0B0\n1B0,1F0\n"),
              ThrowsMessage<PlanError>(HasSubstr("a backward does not come after the forward")));
  EXPECT_THAT(refusal("0F0,0B0,0F1,0B1\n1F1,1B1,1F0,1B0\n"),
              ThrowsMessage<PlanError>(HasSubstr("order")));
  EXPECT_THAT(
      refusal("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n"),
      ThrowsMessage<PlanError>(HasSubstr("only schedules of F, I, W and B can be lowered")));
}

TEST(LowerTest, RefusesAnEdgeWhoseEndsDisagree) {
  EXPECT_THAT([] { lower(schedule::read_csv("0F0,0F1,0B0,0B1\n1F1,1F0,1B0,1B1\n"), {}); },
              ThrowsMessage<PlanError>(
                  HasSubstr("stage 0 sends its outputs in the order of micro-batches [0, 1], stage "
                            "1 takes them in the order [1, 0]")));
}

TEST(LowerTest, NamesWhereEveryRankStandsInACircle) {
  // Rank 0 wants the gradient of micro-batch 0 before it has sent micro-batch 1, which rank 1 takes
  // first.
  EXPECT_THAT([] { lower(schedule::read_csv("0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n"), {}); },
              ThrowsMessage<PlanError>(HasSubstr("rank 0 stands at 0B0, rank 1 stands at 1F1")));
}

}  // namespace
}  // namespace lockflight::plan
