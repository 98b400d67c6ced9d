// Overlapped pairs: a forward and a backward of two micro-batches on two compute streams.

#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/place.h"
#include "lockflight/plan/prove_layout.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "plan/random_buffers.h"
#include "plan/random_schedules.h"

namespace lockflight::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Program both_dialects(const schedule::Schedule& schedule, bool with_comms) {
  return with_comms ? transcribe(with_transfers(schedule, TransferCells::own)).program
                    : lower(schedule, {});
}

// The lines of a rank from one compute to the sixth behind another.
std::string between(const Program& program, int rank, const std::string& first,
                    const std::string& last) {
  std::string text;
  for (std::size_t i = find(program, rank, first); i <= find(program, rank, last) + 6; ++i) {
    const Instruction& instruction = program.ranks[rank].instructions[i];
    text += std::to_string(instruction.stream) + ": " + to_string(instruction) + "\n";
  }
  return text;
}

TEST(OverlapTest, ABackwardRunsBesideItsForwardAndWhatFollowsWaitsForBoth) {
  const Program program = lower(schedule::read_csv(kPairs), {});
  EXPECT_EQ(between(program, 1, "compute 1F1", "compute 1B0"),
            "0: compute 1F1\n"
            "2: compute 1B0\n"
            "2: record event 7\n"
            "3: wait event 7\n"
            "3: send 1SEND_B0 slot 3 to rank 0\n"
            "3: record event 8\n"
            "2: record event 9\n"
            "0: wait event 9\n")
      << to_string(program);
}

TEST(OverlapTest, BothDialectsAreProvedAndRun) {
  for (const bool with_comms : {false, true}) {
    const Program program = both_dialects(schedule::read_csv(kPairs), with_comms);
    EXPECT_EQ(text_of(prove(program)), "");
    const SimulationResult result = ProgramSimulation(program).run();
    EXPECT_TRUE(result.drained);
    EXPECT_THAT(result.races, IsEmpty());
    EXPECT_THAT(result.wrong, IsEmpty());
  }
}

TEST(OverlapTest, RandomPairsAreProvedAndRunOrTheirCircleIsFound) {
  int ran = 0;
  int refused = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto schedule =
        overlapped(random_schedule(random_placement(random), 4, false, random), random);
    Program program;
    try {
      program = both_dialects(schedule, seed % 2 == 1);
      check_proved(program);
    } catch (const PlanError&) {
      ++refused;
      EXPECT_THROW(schedule::make_timetable(schedule), PlanError);
      continue;
    }
    const SimulationResult result = ProgramSimulation(program).run();
    EXPECT_TRUE(result.drained);
    EXPECT_THAT(result.races, IsEmpty());
    EXPECT_THAT(result.wrong, IsEmpty());
    ++ran;
  }
  EXPECT_GT(ran, 100);
  EXPECT_GT(refused, 10);
}

// Takes any one wait out: those between the two compute streams are all needed, and where the naive
// simulation sees a race, the proof finds one, too.
TEST(OverlapTest, AForgottenWaitIsFound) {
  int between_computes = 0;
  int needed = 0;
  for (const bool with_comms : {false, true}) {
    const Program whole = both_dialects(schedule::read_csv(kPairs), with_comms);
    for (int rank = 0; rank < 2; ++rank) {
      const auto computes_on = [&](const Instruction& instruction) {
        return computes(whole.ranks[rank].streams[instruction.stream]);
      };
      for (std::size_t i = 0; i < whole.ranks[rank].instructions.size(); ++i) {
        const Instruction& wait = whole.ranks[rank].instructions[i];
        if (wait.opcode != Opcode::wait) {
          continue;
        }
        const std::size_t record = find(whole, rank, "record event " + std::to_string(wait.event));
        Program broken = whole;
        take(broken, rank, i);
        const bool races = !ProgramSimulation(broken).run().races.empty();
        SCOPED_TRACE(::testing::Message() << "rank " << rank << ", instruction " << i);
        EXPECT_TRUE(!races || !prove(broken).proved());
        if (computes_on(wait) && computes_on(whole.ranks[rank].instructions[record])) {
          ++between_computes;
          needed += races ? 1 : 0;
        }
      }
    }
  }
  EXPECT_EQ(between_computes, 2 * 2 * 3) << "a fork and a join for each of three pairs";
  // Lowered, the join between rank 1's pairs orders nothing: the second pair's parts each follow
  // the first's on a stream of their own, and so do the sends.
  EXPECT_EQ(needed, between_computes - 1);
}

TEST(OverlapTest, TheProofNamesWhatAPairsPartsTouchTogether) {
  Program program = lower(schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n"), {});
  ASSERT_EQ(text_of(prove(program)), "");
  const std::size_t join = find(program, 0, "wait event 1");
  const Instruction wait = take(program, 0, join);
  EXPECT_THAT(
      text_of(prove(program)),
      HasSubstr(
          "race: rank 0, stream 0, instruction 6: compute 0B1 touches the gradients of stage 0 "
          "like compute 0B0 (stream 1, instruction 4)"));
  put(program, 0, join, wait);
  take(program, 0, find(program, 0, "wait event 0"));
  EXPECT_THAT(
      text_of(prove(program)),
      HasSubstr("compute 0B0 touches what stage 0 keeps of micro-batch 0 like compute 0F0"));
}

TEST(OverlapTest, AForwardDoesNotRunBesideItsOwnBackward) {
  const std::string csv = "(0F0;0B0)OVERLAP_F_B\n";
  EXPECT_THROW(lower(schedule::read_csv(csv), {}), PlanError);
  EXPECT_THAT(text_of(prove(transcribe(schedule::read_csv(csv)).program)),
              HasSubstr("compute 0B0 touches what stage 0 keeps of micro-batch 0"));
}

TEST(OverlapTest, APairThatWaitsForItselfIsACircle) {
  // 0F1 waits for nothing, but 1F1 stands behind 1B0, whose gradient 0B0 needs beside 0F1.
  const auto schedule = schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n1F0,1F1,1B0,1B1\n");
  EXPECT_THAT([&] { lower(schedule, {}); },
              ::testing::ThrowsMessage<PlanError>(HasSubstr("in a circle")));
  EXPECT_THAT(text_of(prove(both_dialects(schedule, true))), HasSubstr("a circle: "));
}

TEST(OverlapTest, AllTransfersOnOneStreamLeaveTheSecondComputeStream) {
  const Program program = single_transfer_stream(both_dialects(schedule::read_csv(kPairs), true));
  EXPECT_EQ(program.ranks[0].streams.size(), 3U);
  EXPECT_EQ(find(program, 0, "compute 0B0"), find(program, 0, "compute 0F2") + 1);
  EXPECT_EQ(program.ranks[0].instructions[find(program, 0, "compute 0B0")].stream, 2);
}

TEST(OverlapTest, APairTakesTheSumOfItsPartsOrTheGivenShareOfIt) {
  const auto schedule = schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n");
  StepCosts costs{.stages = {{.times = {.forward = 2, .input_gradient = 1, .weight_gradient = 3}}}};
  EXPECT_EQ(simulate(lower(schedule, {}), costs).makespan, 12);
  costs.overlap = 0.75;
  const SimulatedStep step = simulate(lower(schedule, {}), costs, {.spans = true});
  EXPECT_EQ(step.makespan, 2 + 0.75 * 6 + 4);
  EXPECT_EQ(step.spans[2].stream, 1);
  EXPECT_EQ(step.spans[2].end, 2 + 0.75 * 6);
  costs.overlap = -1;
  EXPECT_THROW(simulate(lower(schedule, {}), costs), InvalidArgument);
}

// Two tensors of which the second is asked for on the other stream.
TEST(OverlapTest, WhatOneStreamGivesBackTheOtherGetsOnlyWhenThatIsSettled) {
  const std::vector<BufferLife> buffers = {
      {.bytes = 256, .born = 0, .freed = 1, .action = 3, .freed_by = 3},
      {.bytes = 256, .born = 2, .freed = 3, .action = 4, .freed_by = 4}};
  std::vector<TensorStreams> streams = {{0, 0, 5}, {1, 1, 6}};
  EXPECT_EQ(place(buffers).bytes, 256U);
  EXPECT_EQ(place(buffers, streams).bytes, 512U);
  const Layout shared{.places = {{0, 256}, {0, 256}}, .bytes = 256};
  EXPECT_THAT(prove_layout(0, buffers, shared), IsEmpty());
  const auto findings = prove_layout(0, buffers, shared, streams);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].sentence, HasSubstr("with which the other stream may not be done"));
  streams[0].settled = 4;
  EXPECT_EQ(place(buffers, streams).bytes, 256U);
  EXPECT_THAT(prove_layout(0, buffers, shared, streams), IsEmpty());
}

TEST(OverlapTest, LayoutsOfTwoStreamsArePlacedAsTheyAreProved) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    std::vector<BufferLife> buffers = random_buffers(seed, 200);
    std::vector<TensorStreams> streams;
    for (BufferLife& buffer : buffers) {
      buffer.action = static_cast<std::int32_t>(buffer.born / 10);
      streams.push_back({.taken_on = static_cast<int>(random() % 2),
                         .given_back_on = static_cast<int>(random() % 2),
                         .settled = static_cast<std::int32_t>(buffer.freed / 10 + random() % 8)});
    }
    const Layout layout = place(buffers, streams);
    EXPECT_THAT(prove_layout(0, buffers, layout, streams), IsEmpty()) << seed;
    EXPECT_GE(layout.bytes, memory_peak(buffers).bytes);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      for (std::size_t j = 0; j < buffers.size(); ++j) {
        const auto& [a, b] = std::pair(layout.places[i], layout.places[j]);
        const bool shares = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        if (shares && buffers[i].born < buffers[j].born) {
          EXPECT_TRUE(buffers[i].freed >= 0 && buffers[i].freed < buffers[j].born &&
                      (streams[i].given_back_on == streams[j].taken_on ||
                       streams[i].settled <= buffers[j].action))
              << seed << ": " << i << ", " << j;
        }
      }
    }
  }
}

TEST(OverlapTest, TensorsAreSettledAtTheJoinAndAtTheNextFork) {
  const Program program =
      lower(schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,(0F2;0B1)OVERLAP_F_B,0B2\n"), {});
  const RankProgram& rank = program.ranks[0];
  const auto at = [&](const char* text) {
    return static_cast<std::int32_t>(find(program, 0, text));
  };
  std::vector<BufferLife> buffers;
  for (const char* const by : {"compute 0F0", "compute 0F1", "compute 0B0", "compute 0B2"}) {
    buffers.push_back({.bytes = 8, .action = at(by), .freed_by = at(by)});
  }
  const auto streams = streams_of(rank, buffers);
  ASSERT_EQ(streams.size(), 4U);
  EXPECT_EQ(streams[0].settled, at("wait event 0"));
  EXPECT_EQ(streams[1].settled, at("wait event 2")) << "the fork of the second pair";
  EXPECT_EQ(streams[2].settled, at("wait event 1")) << "the join of the first pair";
  EXPECT_EQ(streams[2].taken_on, 1);
  EXPECT_GT(streams[3].settled, static_cast<std::int32_t>(rank.instructions.size()));
  EXPECT_THAT(streams_of(tied_program().ranks[0], buffers), IsEmpty());
}

}  // namespace
}  // namespace lockflight::plan
