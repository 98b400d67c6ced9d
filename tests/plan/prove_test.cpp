#include "lockflight/plan/prove.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/proofs.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using ::testing::HasSubstr;

TEST(ProveTest, AcceptsEveryLoweredSchedule) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const auto& size : schedule::sizes_of(info, 5, std::array{1, 2, 3, 7, 10}, 3)) {
      const auto schedule = make_schedule(info.name, size);
      for (const bool tied : {false, true}) {
        const Program program = lower(
            schedule,
            tied ? std::vector<TiedStages>{{.first = 0, .second = schedule.placement.parts() - 1}}
                 : std::vector<TiedStages>{});
        EXPECT_EQ(text_of(prove(program)), "")
            << info.name << " p" << size.ranks << " m" << size.micro_batches << " v"
            << size.stages_per_rank << (tied ? " tied" : "");
      }
    }
  }
}

TEST(ProveTest, SaysWhatItHasLookedAt) {
  const Program program = lower(make_schedule("1f1b", {.ranks = 2, .micro_batches = 3}), {});
  const Proof proof = prove(program);
  EXPECT_TRUE(proof.proved());
  EXPECT_EQ(proof.actions, 12U);
  EXPECT_EQ(proof.transfers, 6U);
  EXPECT_EQ(proof.streams, 6U);
  EXPECT_EQ(proof.instructions,
            program.ranks[0].instructions.size() + program.ranks[1].instructions.size());
}

struct Fault {
  const char* name;
  std::function<void(Program&)> plant;
  std::function<void(Program&)> repair;
  Finding::Kind kind;
  int rank;
  const char* sentence;
};

// Rank 1 of the tied program.
const std::vector<Fault>& faults() {
  using enum Finding::Kind;
  static const std::vector<Fault> faults = {
      {.name = "a wait for a receive is missing",
       .plant = [](Program& p) { take(p, 1, find(p, 1, "compute 1F0") - 1); },
       .repair =
           [](Program& p) {
             const std::size_t recv = find(p, 1, "recv 1RECV_F0");
             const int event = p.ranks[1].instructions[recv + 1].event;
             put(p, 1, recv + 2, {.opcode = Opcode::wait, .event = event});
           },
       .kind = race,
       .rank = 1,
       .sentence = "compute 1F0 touches slot 0 like recv 1RECV_F0 slot 0 from rank 0 (stream 1, "
                   "instruction 3), and no record and wait order the two"},
      {.name = "a record is missing",
       .plant = [](Program& p) { take(p, 1, find(p, 1, "recv 1RECV_F0") + 1); },
       .repair =
           [](Program& p) {
             const std::size_t recv = find(p, 1, "recv 1RECV_F0");
             put(p, 1, recv + 1,
                 {.opcode = Opcode::record,
                  .stream = p.ranks[1].instructions[recv].stream,
                  .event = 1});
           },
       .kind = race,
       .rank = 1,
       .sentence = "wait event 1 holds nothing up, because the event is not recorded before it"},
      {.name = "a send's memory is given back before its wait",
       .plant =
           [](Program& p) {
             const std::size_t release = find(p, 1, "release");
             move(p, 1, release, release - 1);
           },
       .repair =
           [](Program& p) {
             const std::size_t release = find(p, 1, "release");
             move(p, 1, release + 1, release);
           },
       .kind = race,
       .rank = 1,
       .sentence = "like send"},
      {.name = "two sends are crossed",
       .plant =
           [](Program& p) {
             Instruction& one = p.ranks[0].instructions[find(p, 0, "send 0SEND_F0")];
             Instruction& other = p.ranks[0].instructions[find(p, 0, "send 0SEND_F1")];
             std::swap(one, other);
           },
       .repair =
           [](Program& p) {
             Instruction& one = p.ranks[0].instructions[find(p, 0, "send 0SEND_F0")];
             Instruction& other = p.ranks[0].instructions[find(p, 0, "send 0SEND_F1")];
             std::swap(one, other);
           },
       .kind = incomplete,
       .rank = 1,
       .sentence = "recv 1RECV_F0 slot 0 from rank 0 meets send 0SEND_F1"},
      {.name = "an action is dropped",
       .plant = [](Program& p) { take(p, 1, find(p, 1, "compute 1B2")); },
       .repair =
           [](Program& p) {
             const int slot = p.ranks[1].instructions[find(p, 1, "recv 1RECV_B2")].slot;
             const std::size_t send = find(p, 1, "send 1SEND_B2");
             put(p, 1, send - 2,
                 {.action = {1, schedule::ActionKind::backward, 2},
                  .slot = slot,
                  .output = p.ranks[1].instructions[send].slot});
           },
       .kind = incomplete,
       .rank = 1,
       .sentence = "1B2 is missing"},
      {.name = "an action is doubled",
       .plant =
           [](Program& p) {
             const std::size_t at = find(p, 1, "compute 1F1");
             put(p, 1, at, p.ranks[1].instructions[at]);
           },
       .repair = [](Program& p) { take(p, 1, find(p, 1, "compute 1F1")); },
       .kind = incomplete,
       .rank = 1,
       .sentence = "compute 1F1 runs a second time"},
      {.name = "an action stands before its input",
       .plant =
           [](Program& p) { move(p, 1, find(p, 1, "compute 1F0"), find(p, 1, "recv 1RECV_F0")); },
       .repair =
           [](Program& p) {
             const int event = p.ranks[1].instructions[find(p, 1, "recv 1RECV_F0") + 1].event;
             move(p, 1, find(p, 1, "compute 1F0"),
                  find(p, 1, "wait event " + std::to_string(event)) + 1);
           },
       .kind = incomplete,
       .rank = 1,
       .sentence = "compute 1F0 takes slot 0, but the output of stage 0 for micro-batch 0 has not "
                   "come yet"},
      {.name = "the update stands before the last gradient",
       .plant = [](Program& p) { move(p, 2, find(p, 2, "update"), find(p, 2, "compute 2B3")); },
       .repair =
           [](Program& p) { move(p, 2, find(p, 2, "update"), p.ranks[2].instructions.size()); },
       .kind = incomplete,
       .rank = 2,
       .sentence = "compute 2B3 stands behind the norm or the update"},
      {.name = "a tie is added up before the last gradient",
       .plant =
           [](Program& p) { move(p, 2, find(p, 2, "reduce_tied"), find(p, 2, "compute 2B3")); },
       .repair =
           [](Program& p) {
             const std::size_t tie = find(p, 2, "reduce_tied");
             const auto& all = p.ranks[2].instructions;
             std::size_t wait = all.size();
             while (all[--wait].stream != all[tie].stream || all[wait].opcode != Opcode::wait) {
             }
             move(p, 2, tie, wait + 1);
           },
       .kind = incomplete,
       .rank = 2,
       .sentence = "compute 2B3 stands behind the sum of tie 0, which then lacks it"},
      {.name = "the update does not wait for a tie",
       .plant = [](Program& p) { take(p, 2, find(p, 2, "reduce_tied") + 2); },
       .repair =
           [](Program& p) {
             const std::size_t tie = find(p, 2, "reduce_tied");
             put(p, 2, find(p, 2, "gradient_norm"),
                 {.opcode = Opcode::wait, .event = p.ranks[2].instructions[tie + 1].event});
           },
       .kind = race,
       .rank = 2,
       .sentence = "gradient_norm touches the gradients of tie 0 like reduce_tied 0"},
      {.name = "a rank does not come to the norm",
       .plant = [](Program& p) { take(p, 1, find(p, 1, "gradient_norm")); },
       .repair =
           [](Program& p) { put(p, 1, find(p, 1, "update"), {.opcode = Opcode::gradient_norm}); },
       .kind = deadlock,
       .rank = 0,
       .sentence = "gradient_norm waits for that of rank 1, which never comes"},
      {.name = "two micro-batches are summed in the wrong order",
       .plant =
           [](Program& p) {
             Instruction& one = p.ranks[1].instructions[find(p, 1, "compute 1B2")];
             Instruction& other = p.ranks[1].instructions[find(p, 1, "compute 1B3")];
             std::swap(one, other);
           },
       .repair =
           [](Program& p) {
             Instruction& one = p.ranks[1].instructions[find(p, 1, "compute 1B2")];
             Instruction& other = p.ranks[1].instructions[find(p, 1, "compute 1B3")];
             std::swap(one, other);
           },
       .kind = incomplete,
       .rank = 1,
       .sentence = "comes after micro-batch 3, but weight gradients are summed in ascending order"},
  };
  return faults;
}

TEST(ProveTest, RefusesEveryPlantedFaultAndAcceptsItsRepair) {
  for (const Fault& fault : faults()) {
    Program program = tied_program();
    fault.plant(program);
    const Proof proof = prove(program);
    EXPECT_TRUE(std::ranges::any_of(proof.findings,
                                    [&](const Finding& finding) {
                                      return finding.kind == fault.kind &&
                                             finding.rank == fault.rank &&
                                             finding.sentence.find(fault.sentence) !=
                                                 std::string::npos;
                                    }))
        << fault.name << ":\n"
        << text_of(proof);
    fault.repair(program);
    EXPECT_EQ(text_of(prove(program)), "") << fault.name << ", repaired";
  }
}

TEST(ProveTest, NamesRankStreamAndInstruction) {
  Program program = tied_program();
  take(program, 1, find(program, 1, "compute 1F0") - 1);
  const std::size_t position = find(program, 1, "compute 1F0");
  EXPECT_THAT(text_of(prove(program)), HasSubstr("race: rank 1, stream 0, instruction " +
                                                 std::to_string(position) + ": compute 1F0"));
}

TEST(ProveTest, PrintsTheCircleOfStreamsThatWaitForEachOther) {
  // Rank 0 wants the gradient of micro-batch 0 before it sends micro-batch 1, which rank 1 takes
  // first.
  Program program = lower(make_schedule("gpipe", {.ranks = 2, .micro_batches = 2}), {});
  const auto wait_for = [&](const std::string& recv) {
    const std::size_t at = find(program, 0, recv);
    return take(program, 0,
                find(program, 0,
                     "wait event " + std::to_string(program.ranks[0].instructions[at + 1].event)));
  };
  const Instruction recv_waited = wait_for("recv 0RECV_B0");
  const std::size_t from = find(program, 0, "allocate slot");
  std::vector<Instruction> receive;
  for (int i = 0; i < 5; ++i) {
    receive.push_back(take(program, 0, from));
  }
  std::size_t to = find(program, 0, "compute 0F1");
  for (const Instruction& instruction : receive) {
    put(program, 0, to++, instruction);
  }
  put(program, 0, to, recv_waited);
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("a circle: rank 0 stands at compute 0F1 (stream 0, instruction"));
  EXPECT_THAT(text_of(prove(program)), HasSubstr("; rank 1 stands at compute 1F1"));
}

TEST(ProveTest, KeepsAtMostAHundredFindingsOfAKindAndCountsAll) {
  Program program = lower(make_schedule("gpipe", {.ranks = 2, .micro_batches = 200}), {});
  std::erase_if(program.ranks[1].instructions,
                [](const Instruction& i) { return i.opcode == Opcode::wait; });
  const Proof proof = prove(program);
  EXPECT_EQ(proof.findings.size(), Proof::kMostOfAKind);
  // Every receive is unordered against its memory and its compute, every send against its compute
  // and the end of its memory.
  EXPECT_EQ(proof.total, 800U);
}

TEST(ProveTest, FindsTheSameInTheSameOrderAgain) {
  Program program = tied_program();
  std::erase_if(program.ranks[1].instructions,
                [](const Instruction& i) { return i.opcode == Opcode::wait; });
  EXPECT_EQ(prove(program).findings, prove(program).findings);
}

TEST(ProveTest, RefusesAnEventThatIsRecordedTwice) {
  Program program = tied_program();
  const std::size_t at = find(program, 1, "record");
  put(program, 1, program.ranks[1].instructions.size(), program.ranks[1].instructions[at]);
  EXPECT_THAT(text_of(prove(program)),
              HasSubstr("record event 0 repeats instruction 1; an event is "
                        "recorded once in a step"));
}

TEST(ProveTest, AForwardOnlyProgramNeitherSumsNorUpdates) {
  Program program = lower(make_schedule("forward-only", {.ranks = 2, .micro_batches = 2}), {});
  EXPECT_EQ(text_of(prove(program)), "");
  for (int rank : {0, 1}) {
    program.ranks[rank].instructions.push_back({.opcode = Opcode::gradient_norm});
    program.ranks[rank].instructions.push_back({.opcode = Opcode::update});
  }
  EXPECT_THAT(text_of(prove(program)), HasSubstr("but the program has no backward"));
}

}  // namespace
}  // namespace lockflight::plan
