#include "lockflight/plan/transcribe.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "schedule/sizes.h"

namespace lockflight::plan {
namespace {

using schedule::read_csv;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string proof_of(const std::string& csv) {
  return text_of(prove(transcribe(read_csv(csv)).program));
}

std::string proof_on_one_stream(const std::string& csv) {
  return text_of(prove(single_transfer_stream(transcribe(read_csv(csv)).program)));
}

TEST(TranscribeTest, KeepsTheOrderOfTheFileAndAddsWhatRuntimesDo) {
  const Transcription result = transcribe(
      read_csv("0F0,,0SEND_F0,0UNSHARD,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD\n"));
  EXPECT_EQ(to_string(result.program),
            "rank 0\n"
            "  stream 0: compute 0F0\n"
            "  stream 0: record event 0\n"
            "  stream 1: wait event 0\n"
            "  stream 1: send 0SEND_F0 slot 0 to rank 1\n"
            "  stream 1: record event 1\n"
            "  stream 0: allocate slot 1\n"
            "  stream 0: record event 2\n"
            "  stream 2: wait event 2\n"
            "  stream 2: recv 0RECV_B0 slot 1 from rank 1\n"
            "  stream 2: record event 3\n"
            "  stream 0: wait event 3\n"
            "  stream 0: compute 0B0\n"
            "  stream 0: wait event 1\n"
            "  stream 0: release slot 0\n"
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
  EXPECT_THAT(result.cells[0],
              ::testing::ElementsAre(0, 2, 2, 2, 2, 4, 4, 4, 4, 4, 5, 5, -1, -1, -1, -1));
}

TEST(TranscribeTest, TheExampleOfBothDialectsIsProved) {
  EXPECT_EQ(proof_of("0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
                     "1RECV_F0,1RECV_F1,1F0,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n"),
            "");
}

TEST(TranscribeTest, SchedulesWithThePlainestTransfersAreProvedAndRun) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const int ranks : {1, 2, 4}) {
      if (!info.takes(ranks, 8)) {
        continue;
      }
      const auto schedule =
          schedule::make_schedule(info.name, {.ranks = ranks, .micro_batches = 8});
      const Program program = transcribe(with_transfers(schedule)).program;
      EXPECT_EQ(text_of(prove(program)), "") << info.name;
      const SimulationResult result = ProgramSimulation(program).run();
      EXPECT_TRUE(result.drained && result.races.empty() && result.wrong.empty()) << info.name;
    }
  }
}

// Every transfer in a cell of its own, as files have it.
schedule::Schedule as_a_file(const schedule::Schedule& schedule) {
  schedule::Schedule file = with_transfers(schedule);
  for (std::vector<schedule::Cell>& row : file.rows) {
    std::vector<schedule::Cell> cells;
    for (const schedule::Cell& cell : row) {
      schedule::Cell computed;
      std::vector<schedule::Cell> sends;
      for (const schedule::Action& action : cell) {
        using enum schedule::ActionKind;
        if (schedule::is_compute(action.kind)) {
          computed.push_back(action);
        } else if (action.kind == send_forward || action.kind == send_backward) {
          sends.push_back({action});
        } else {
          cells.push_back({action});
        }
      }
      cells.push_back(computed);
      cells.insert(cells.end(), sends.begin(), sends.end());
    }
    row = std::move(cells);
  }
  return file;
}

TEST(TranscribeTest, TheFileWithTransfersOfEveryScheduleIsProvedAndWrittenAgain) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const auto& size : schedule::sizes_of(info, 4, std::array{1, 3, 8}, 2)) {
      SCOPED_TRACE(::testing::Message() << info.name << " p " << size.ranks << " m "
                                        << size.micro_batches << " v " << size.stages_per_rank);
      const std::string text = schedule::write_csv(as_a_file(info.make(size)));
      EXPECT_EQ(schedule::write_csv(read_csv(text)), text);
      EXPECT_EQ(proof_of(text), "");
    }
  }
}

TEST(TranscribeTest, AddsUpTiedGradientsAtTheEndOfTheStep) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 3, .micro_batches = 4});
  for (const TiedStages tie : {TiedStages{0, 2}, TiedStages{0, 0}, TiedStages{1, 2}}) {
    const Program program = transcribe(with_transfers(schedule), {tie, {1, 1}}).program;
    EXPECT_EQ(text_of(prove(program)), "");
    const SimulationResult result = ProgramSimulation(program).run();
    EXPECT_TRUE(result.drained && result.races.empty() && result.wrong.empty());
  }
}

TEST(TranscribeTest, TheProgramOfASchedulesIsLoweredOnlyWhereItHasNoTransfers) {
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 3});
  const std::vector<TiedStages> ties = {{0, 1}};
  EXPECT_EQ(to_string(program_of(schedule, ties)), to_string(lower(schedule, ties)));
  EXPECT_EQ(to_string(program_of(with_transfers(schedule), ties)),
            to_string(transcribe(with_transfers(schedule), ties).program));
}

TEST(TranscribeTest, LeavesCellsAtTheirNumbersWhenItAddsTransfers) {
  EXPECT_EQ(schedule::write_csv(with_transfers(read_csv("0F0,,0B0\n1F0,1B0\n"))),
            "(0F0;0SEND_F0)OVERLAP_F_B,,(0RECV_B0;0B0)OVERLAP_F_B\n"
            "(1RECV_F0;1F0)OVERLAP_F_B,(1B0;1SEND_B0)OVERLAP_F_B\n");
}

// The traps that a runtime with one stream for all transfers falls into, each beside what helps.

TEST(TranscribeTest, OneStreamHoldsPlain1F1BWhereSendAndReceiveTowardANeighbourAreNotFused) {
  const std::string plain =
      "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
      "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n";
  EXPECT_THAT(proof_on_one_stream(plain),
              AllOf(HasSubstr("deadlock: rank 0, stream 1"),
                    HasSubstr("a circle: rank 0 stands at send 0SEND_F1"),
                    HasSubstr("which waits for rank 1's recv 1RECV_F1"),
                    HasSubstr("; rank 1 stands at send 1SEND_B0"),
                    HasSubstr("which waits for rank 0's recv 0RECV_B0")));
  EXPECT_EQ(proof_of(plain), "") << "a stream for each edge is enough";
  EXPECT_EQ(proof_on_one_stream("0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
                                "1RECV_F0,1F0,1RECV_F1,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n"),
            "")
      << "so is receiving before sending";
}

TEST(TranscribeTest, OneStreamHoldsReceivesAheadOfUnrelatedCompute) {
  const std::string rank1 = "1RECV_F0,1F0,1RECV_F1,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n";
  const std::string ahead = "0F0,0SEND_F0,0RECV_B0,0F1,0SEND_F1,0B0,0RECV_B1,0B1\n" + rank1;
  EXPECT_THAT(proof_on_one_stream(ahead),
              AllOf(HasSubstr("rank 0 stands at recv 0RECV_B0"), HasSubstr("rank 1 stands at")));
  EXPECT_EQ(proof_of(ahead), "");
  EXPECT_EQ(proof_on_one_stream("0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n" + rank1),
            "");
}

TEST(TranscribeTest, OneStreamHoldsTwoRanksWhoseSendsCross) {
  // Stages 0 and 2 on rank 0, 1 and 3 on rank 1; evaluation of two micro-batches.
  const std::string crossing =
      "0F0,0SEND_F0,0F1,0SEND_F1,2RECV_F0,2F0,2SEND_F0,2RECV_F1,2F1,2SEND_F1\n"
      "1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3F1\n";
  EXPECT_THAT(proof_on_one_stream(crossing),
              AllOf(HasSubstr("a circle: rank 0 stands at send 0SEND_F1"),
                    HasSubstr("; rank 1 stands at send 1SEND_F0")));
  EXPECT_EQ(proof_of(crossing), "");
  EXPECT_EQ(proof_on_one_stream(
                "0F0,0SEND_F0,0F1,0SEND_F1,2RECV_F0,2F0,2RECV_F1,2SEND_F0,2F1,2SEND_F1\n"
                "1RECV_F0,1F0,1RECV_F1,1SEND_F0,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3F1\n"),
            "");
}

TEST(TranscribeTest, EndsOfAnEdgeMustAgreeOnTheOrder) {
  EXPECT_THAT(proof_of("0F0,0F1,0SEND_F1,0SEND_F0\n1RECV_F0,1RECV_F1,1F0,1F1\n"),
              HasSubstr("incomplete: rank 1, stream 1, instruction 3: recv 1RECV_F0 slot 0 from "
                        "rank 0 meets send 0SEND_F1 slot 1 to rank 1 of rank 0 (instruction 4); "
                        "both ends must use channel 0 in the same order"));
  EXPECT_EQ(proof_of("0F0,0F1,0SEND_F1,0SEND_F0\n1RECV_F1,1RECV_F0,1F0,1F1\n"), "");
}

TEST(TranscribeTest, FilesThatLackOrRepeatAnythingAreRefused) {
  const std::string rank0 = "0F0,0SEND_F0,0RECV_B0,0B0\n";
  const auto refusal = [&](const std::string& rank1) { return proof_of(rank0 + rank1); };
  EXPECT_EQ(refusal("1RECV_F0,1F0,1B0,1SEND_B0\n"), "");
  EXPECT_THAT(refusal("1F0,1B0,1SEND_B0\n"),
              AllOf(HasSubstr("compute 1F0 takes slot 0, but the output of stage 0 for micro-batch "
                              "0 has not come yet"),
                    HasSubstr("send 0SEND_F0 slot 0 to rank 1 waits for a recv of rank 1 on "
                              "channel 0, which never comes")));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1B0\n"),
              AllOf(HasSubstr("rank 1: slot 1 holds the gradient of the output of stage 0 for "
                              "micro-batch 0, which is never sent"),
                    HasSubstr("recv 0RECV_B0 slot 1 from rank 1 waits for a send of rank 1 on "
                              "channel 1, which never comes")));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1B0,1B0,1SEND_B0\n"), HasSubstr("1B0 runs a second time"));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1I0,1SEND_B0\n"), HasSubstr("1W0 is missing"));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1W0,1I0,1SEND_B0\n"),
              HasSubstr("1W0 stands before the gradient of its input"));
  EXPECT_THAT(refusal("1RECV_F0,1B0,1F0,1SEND_B0\n"), HasSubstr("1B0 stands before its forward"));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1B0,1SEND_B0,1SEND_B0\n"),
              HasSubstr("sends a second time what has been sent"));
  EXPECT_THAT(refusal("1RECV_F0,1F0,1SEND_B0,1B0\n"), HasSubstr("sends what nothing has made"));
}

TEST(TranscribeTest, RefusesTransfersThatGoNowhere) {
  const auto transcribed = [](const char* csv) { return [csv] { transcribe(read_csv(csv)); }; };
  EXPECT_THAT(
      transcribed("0F0\n1F0,1SEND_F0\n"),
      ThrowsMessage<DataError>(HasSubstr("row 2, cell 2 (line 2, column 5): 1SEND_F0: there is no "
                                         "stage at its other end; stages are 0 to 1")));
  EXPECT_THAT(transcribed("0RECV_F0,0F0\n1F0\n"),
              ThrowsMessage<DataError>(
                  HasSubstr("row 1, cell 1 (line 1, column 1): 0RECV_F0: there is no stage")));
  EXPECT_THAT(transcribed("0F0,0SEND_B0\n1F0\n"), ThrowsMessage<DataError>(HasSubstr("cell 2")));
  EXPECT_THAT(transcribed("0F0,1F0,0SEND_F0\n"),
              ThrowsMessage<DataError>(HasSubstr("0SEND_F0: stage 1 lies in the same row")));
  const std::string text = "0F0,  0SEND_B0\n1F0\n";
  EXPECT_THAT([&] { transcribe(read_csv(text), {}, text); },
              ThrowsMessage<DataError>(HasSubstr("row 1, cell 2 (line 1, column 7): 0SEND_B0: ")));
}

}  // namespace
}  // namespace lockflight::plan
