// What a proof says about programs whose numbers name nothing.

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/prove.h"
#include "plan/proofs.h"

namespace lockflight::plan {
namespace {

using ::testing::HasSubstr;

TEST(ProveFormTest, RefusesNumbersThatNameNothing) {
  const std::vector<int> numbers = {-2, 17, 1 << 20, std::numeric_limits<int>::max(),
                                    std::numeric_limits<int>::min()};
  const Program whole = tied_program();
  for (const int number : numbers) {
    for (std::size_t i = 0; i < whole.ranks[0].instructions.size(); ++i) {
      for (int Instruction::*const field :
           {&Instruction::stream, &Instruction::slot, &Instruction::output, &Instruction::event,
            &Instruction::peer}) {
        Program program = whole;
        program.ranks[0].instructions[i].*field = number;
        prove(program);  // some do not look at it; none may crash
      }
      Program program = whole;
      program.ranks[0].instructions[i].stream = number;
      EXPECT_THAT(text_of(prove(program)),
                  HasSubstr("is on stream " + std::to_string(number) + "; the rank has 4"));
      program = whole;
      program.ranks[0].instructions[i].action = {number, schedule::ActionKind::forward, number};
      prove(program);
    }
  }
}

TEST(ProveFormTest, RefusesProgramsOfNoShape) {
  EXPECT_THAT(text_of(prove({})), HasSubstr("0 ranks and 0 micro-batches"));
  const auto refusal = [](const std::function<void(Program&)>& change) {
    Program program = tied_program();
    change(program);
    return text_of(prove(program));
  };
  EXPECT_THAT(refusal([](Program& p) { p.ranks.pop_back(); }),
              HasSubstr("instructions for 2 ranks, but stages lie on 3"));
  EXPECT_THAT(refusal([](Program& p) { p.micro_batches = std::numeric_limits<int>::max(); }),
              HasSubstr("it has 8 actions, but its 1 stages and 2147483647 micro-batches"));
  EXPECT_THAT(refusal([](Program& p) { p.ranks[1].events = std::numeric_limits<int>::max(); }),
              HasSubstr("rank 1: it says that it has 2147483647 events"));
  EXPECT_THAT(refusal([](Program& p) { p.ranks[1].streams.clear(); }),
              HasSubstr("rank 1: it has no stream"));
  EXPECT_THAT(refusal([](Program& p) { p.ranks[1].streams[2].channel = 0; }),
              HasSubstr("rank 1: two of its streams use channel 0"));
  EXPECT_THAT(refusal([](Program& p) { p.ranks[1].slots[0].stage = 2; }),
              HasSubstr("rank 1: slot 0 is for stage 2"));
  EXPECT_THAT(refusal([](Program& p) { p.ties[0].second = 3; }),
              HasSubstr("a tie of stages 0 and 3"));
  EXPECT_THAT(
      refusal([](Program& p) { p.ranks[1].instructions[0].opcode = static_cast<Opcode>(200); }),
      HasSubstr("unknown operation 200"));
  EXPECT_THAT(refusal([](Program& p) {
                p.ranks[1].instructions[0].action.kind = static_cast<schedule::ActionKind>(200);
              }),
              HasSubstr("an action of the unknown kind 200"));
}

// Every change is of the first instruction of rank 1, or of the rank given, that starts so.
TEST(ProveFormTest, RefusesInstructionsThatContradictThemselves) {
  struct Change {
    int rank;
    const char* instruction;
    std::function<void(Instruction&)> make;
    const char* sentence;
  };
  const std::vector<Change> changes = {
      {1, "compute 1F0", [](Instruction& i) { i.action.kind = schedule::ActionKind::unshard; },
       "is to run what is no F, I, W, B or R"},
      {1, "compute 1F0", [](Instruction& i) { i.action.stage = 3; }, "of no stage among 0 to 2"},
      {1, "compute 1F0", [](Instruction& i) { i.action.micro_batch = 4; },
       "no micro-batch among 0 to 3"},
      {1, "compute 1F0", [](Instruction& i) { i.action.stage = 2; },
       "belongs on rank 2, which holds stage 2"},
      {1, "compute 1F0", [](Instruction& i) { i.slot = -1; },
       "takes no slot, but there is the output of stage 0 for micro-batch 0"},
      {1, "compute 1F0", [](Instruction& i) { i.output = i.slot; }, "fills slot 0, which is for"},
      {2, "compute 2F0", [](Instruction& i) { i.output = i.slot; },
       "fills slot 0, but there is nothing for it"},
      {1, "compute 1F0", [](Instruction& i) { i.stream = 1; },
       "is on stream 1, which carries transfers"},
      {1, "allocate", [](Instruction& i) { i.stream = 1; }, "is on stream 1, but runs on stream 0"},
      {1, "update", [](Instruction& i) { i.stream = 1; }, "is on stream 1, but runs on stream 0"},
      {1, "send 1SEND_F0", [](Instruction& i) { i.action.micro_batch = 1; },
       "is called so, but slot 2 is for 1SEND_F0"},
      {1, "send 1SEND_F0", [](Instruction& i) { i.stream = 0; }, "is on stream 0, which computes"},
      {1, "send 1SEND_F0", [](Instruction& i) { i.peer = 1; },
       "peers are the other ranks of 0 to 2"},
      {1, "send 1SEND_F0", [](Instruction& i) { i.peer = 0; }, "has peer 0, but is on stream 2"},
      {1, "recv 1RECV_B0", [](Instruction& i) { i.stream = 2; }, "is on stream 2, which sends"},
      {0, "reduce_tied", [](Instruction& i) { i.slot = 1; }, "names a tie that there is not"},
      {0, "reduce_tied", [](Instruction& i) { i.peer = -1; }, "has peer -1"},
      {0, "reduce_tied", [](Instruction& i) { i.peer = 1; }, "has peer 1, but is on stream"},
      {0, "record", [](Instruction& i) { i.event = 1000; }, "names an event that there is not"},
  };
  for (const Change& change : changes) {
    Program program = tied_program();
    const std::size_t at = find(program, change.rank, change.instruction);
    ASSERT_LT(at, program.ranks[change.rank].instructions.size()) << change.instruction;
    change.make(program.ranks[change.rank].instructions[at]);
    EXPECT_THAT(text_of(prove(program)), HasSubstr(change.sentence)) << change.instruction;
  }
}

}  // namespace
}  // namespace lockflight::plan
