// Schedules that --schedule takes from a file.

#include "tools/schedule_choice.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/plan_json.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/text.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Down and up again on two ranks, two micro-batches; the last stage follows on its own rank.
constexpr const char* kV = "0F0,0F1,3F0,3B0,3F1,3B1,0B0,0B1\n1F0,2F0,1F1,2F1,2B0,1B0,2B1,1B1\n";
// Rank 0 waits for 0B0 before 0F1, rank 1 for 1F1 before 1B0.
constexpr const char* kCircle = "0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n";
constexpr const char* kCircleWithTransfers =
    "0F0,0SEND_F0,0RECV_B0,0B0,0F1,0SEND_F1,0RECV_B1,0B1\n"
    "1RECV_F0,1F0,1RECV_F1,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n";

schedule::Schedule with_transfers(const schedule::Schedule& schedule) {
  return plan::with_transfers(schedule, plan::TransferCells::own);
}

class ScheduleChoiceTest : public testing::Test {
 protected:
  ScheduleChoiceTest() { train::write_file(folder_ / "input.txt", some_text()); }

  Words file(const std::string& csv) {
    train::write_file(folder_ / "own.csv", csv);
    return {"--schedule", folder_ / "own.csv"};
  }

  Outcome train(const Words& more) {
    Words words = {"train"};
    for (const std::string& word : tiny_training()) {
      if (word != "train" && word != "--ranks" && word != "--micro-batches" && word != "1" &&
          word != "3") {
        words.push_back(word);
      }
    }
    return run_here(words +
                    Words{"--data", folder_ / "input.txt", "--profile", "estimate", "--dropout",
                          "0.1", "--tied"} +
                    more);
  }

  static std::string weights_of(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto weights = outcome.out.rfind("weights 0x");
    return weights == std::string::npos ? outcome.out : outcome.out.substr(weights);
  }

  std::string weights_on_one_rank(int micro_batches) {
    return weights_of(train({"--ranks", "1", "--micro-batches", std::to_string(micro_batches)}));
  }

  train::ScratchFolder folder_;
};

TEST_F(ScheduleChoiceTest, BothDialectsTrainToTheBitsOfOneRankWithAnyKindOfStream) {
  const std::string expected = weights_on_one_rank(4);
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const auto schedule = info.make({.ranks = 2, .micro_batches = 4});
    if (!schedule::has_backward(schedule) || info.copies > 1) {
      continue;
    }
    for (const auto& dialect : {schedule, with_transfers(schedule)}) {
      for (const char* streams : {"worker", "threads", "chaos"}) {
        EXPECT_EQ(weights_of(train(file(write_csv(dialect)) + Words{"--streams", streams})),
                  expected)
            << info.name << ' ' << streams;
      }
    }
  }
}

TEST_F(ScheduleChoiceTest, StagesLieWhereTheFileHasThem) {
  const std::string expected = weights_on_one_rank(2);
  for (const std::string csv : {kV, "0F0,1F0,0F1,1F1,1B0,0B0,1B1,0B1\n2F0,2B0,2F1,2B1\n"}) {
    const auto with = write_csv(with_transfers(schedule::read_csv(csv)));
    EXPECT_EQ(weights_of(train(file(csv))), expected);
    EXPECT_EQ(weights_of(train(file(with))), expected);
    EXPECT_EQ(weights_of(train(file(with) + Words{"--recompute", "always"})), expected);
  }
  EXPECT_THAT(train(file(kV) + Words{"--dry-run"}).out,
              AllOf(HasSubstr("own.csv"), HasSubstr("    3     0  ")));
}

TEST_F(ScheduleChoiceTest, AFileWithTransfersIsRunInItsOwnOrder) {
  const auto csv =
      write_csv(with_transfers(schedule::make_schedule("gpipe", {.ranks = 2, .micro_batches = 3})));
  const Outcome outcome =
      run_here(Words{"plan", "--json", "--tied", "--layers", "2", "--width", "16", "--heads", "2"} +
               file(csv));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << outcome.out;
  const Plan plan = plan_from_json(outcome.out);
  EXPECT_EQ(to_string(plan.program),
            to_string(plan::transcribe(schedule::read_csv(csv), {{0, 1}}).program));
  EXPECT_EQ(plan_to_json(plan), outcome.out);
}

TEST_F(ScheduleChoiceTest, AFileThatWouldDeadlockIsRefusedWithTheCircleAndItsPlace) {
  const Words plan = {"plan", "--layers", "2", "--width", "16", "--heads", "2"};
  for (const char* csv : {kCircle, kCircleWithTransfers}) {
    for (const Outcome& outcome : {train(file(csv)), run_here(plan + file(csv))}) {
      EXPECT_EQ(outcome.exit_code, 65);
      EXPECT_THAT(outcome.err, AllOf(HasSubstr("own.csv: row 1, cell "), HasSubstr("a circle: "),
                                     HasSubstr("; rank 1 stands at compute 1F1")));
    }
  }
  const Outcome outcome = train(file("0F0,0B0\n1F0\n"));
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.err, HasSubstr("own.csv: row 2 (line 2, column 1): 1B0 is missing"));
}

TEST_F(ScheduleChoiceTest, WhatIsGivenOfTheSizeMustBeTheFiles) {
  const auto refusal = [&](const Words& more) {
    const Outcome outcome = train(file(kV) + more);
    EXPECT_EQ(outcome.exit_code, 64);
    return outcome.err;
  };
  EXPECT_THAT(refusal({"--ranks", "3"}), HasSubstr("own.csv has 2 ranks"));
  EXPECT_THAT(refusal({"--micro-batches", "8"}), HasSubstr("own.csv has 2 micro-batches"));
  EXPECT_THAT(refusal({"--chunks", "1"}), HasSubstr("own.csv has 2 stages on rank 0"));
  EXPECT_THAT(refusal({"--split", "1,2"}), HasSubstr("--split"));
  EXPECT_EQ(
      train(file(kV) + Words{"--ranks", "2", "--chunks", "2", "--micro-batches", "2"}).exit_code,
      0);
  train::write_file(folder_ / "options.toml", "ranks = 3\n");
  EXPECT_THAT(refusal({"--config", folder_ / "options.toml"}), HasSubstr("own.csv has 2 ranks"));
}

TEST_F(ScheduleChoiceTest, AFileWithoutBackwardsCannotTrainButBePlanned) {
  const Outcome outcome = train(file("0F0,0F1\n1F0,1F1\n"));
  EXPECT_EQ(outcome.exit_code, 64);
  EXPECT_THAT(outcome.err, HasSubstr("has no backwards"));
  EXPECT_EQ(run_here(Words{"plan", "--layers", "2", "--width", "16", "--heads", "2"} +
                     file("0F0,0F1\n1F0,1F1\n"))
                .exit_code,
            0);
}

TEST_F(ScheduleChoiceTest, MoreStagesThanLayersAreRefused) {
  std::string csv = "0F0,0B0";
  for (int stage = 1; stage < 9; ++stage) {
    csv += "\n" + std::to_string(stage) + "F0," + std::to_string(stage) + "B0";
  }
  const Outcome outcome = train(file(csv));
  EXPECT_EQ(outcome.exit_code, 64);
  EXPECT_THAT(outcome.err, HasSubstr("own.csv has 9 stages, but the model has only 7 layers"));
}

// kV in the text form, with more lines in front of its rows.
std::string v_text(const std::string& choices = "", const std::string& end = "TIED NORM UPDATE") {
  return "lockflight schedule 1\nname down and up\nmicro-batches 2\nplacement 0 1 1 0\n" + choices +
         "rank 0: 0F0 0F1 3F0 3B0 3F1 3B1 0B0 0B1 " + end +
         "\nrank 1: 1F0 2F0 1F1 2F1 2B0 1B0 2B1 1B1 " + end + "\n";
}

const std::string kInSchedule = "TIED SUMS UPDATE VALIDATE";

TEST_F(ScheduleChoiceTest, ATextTrainsToTheBitsOfOneRankWhereverTheOptimizerStands) {
  const std::string expected = weights_on_one_rank(4);
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    schedule::SavedSchedule saved{.schedule = info.make({.ranks = 2, .micro_batches = 4}),
                                  .choices = {}};
    if (!schedule::has_backward(saved.schedule)) {
      continue;
    }
    // Two copies sum gradients in two halves.
    const std::string same = info.copies == 1
                                 ? expected
                                 : weights_of(train({"--schedule", std::string(info.name),
                                                     "--ranks", "2", "--micro-batches", "4"}));
    for (const bool in_schedule : {false, true}) {
      saved.choices.optimizer_in_schedule = in_schedule;
      const std::string text = write_text(saved);
      EXPECT_EQ(weights_of(train(file(text))), same) << info.name;
    }
  }
}

// Whatever a text says is done as if options had said it.
TEST_F(ScheduleChoiceTest, ATextMakesThePlanOfTheOptionsThatSayTheSame) {
  const Words model = {"plan",    "--json", "--tied",  "--layers", "2",
                       "--width", "16",     "--heads", "2"};
  const auto plan = [&](const std::string& text, const Words& more) {
    const Outcome outcome = run_here(model + file(text) + more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err << outcome.out;
    Plan made = plan_from_json(outcome.out);
    EXPECT_EQ(made.schedule.name, "down and up");
    return outcome.out;
  };
  const std::string plain = plan(v_text(), {});
  EXPECT_NE(plan(v_text("recompute always\n"), {}), plain);
  EXPECT_EQ(plan(v_text("recompute always\n"), {}), plan(v_text(), {"--recompute", "always"}));
  EXPECT_EQ(plan(v_text("recompute never\n"), {}), plain);
  EXPECT_NE(plan(v_text("layers 1 1 4 1\n"), {}), plain);
  EXPECT_EQ(plan(v_text("layers 1 1 4 1\n"), {}), plan(v_text(), {"--split", "1,1,4,1"}));
  EXPECT_NE(plan(v_text("", kInSchedule), {}), plain);
  const Plan in_schedule = plan_from_json(plan(v_text("", kInSchedule), {}));
  const Plan by_option =
      plan_from_json(run_here(model + file(kV) + Words{"--optimizer-in-schedule"}).out);
  EXPECT_EQ(to_string(in_schedule.program), to_string(by_option.program));
  const Plan some = plan_from_json(plan(v_text("layers 1 1 4 1\nrecompute 1 3\n"), {}));
  EXPECT_EQ(some.stages[1].recomputed, std::vector<std::string>{"blocks.0.attention"});
  EXPECT_EQ(some.stages[2].recomputed, std::vector<std::string>{"blocks.1.attention"});
}

TEST_F(ScheduleChoiceTest, AnOptionThatSaysAnythingElseThanATextIsRefused) {
  const auto refusal = [&](const std::string& text, const Words& more) {
    const Outcome outcome = train(file(text) + more);
    EXPECT_EQ(outcome.exit_code, 64);
    return outcome.err;
  };
  EXPECT_THAT(
      refusal(v_text("recompute never\n"), {"--recompute", "always"}),
      AllOf(HasSubstr("--recompute is always, but "), HasSubstr("own.csv says recompute nev"),
            HasSubstr("; leave the option out, or change the file")));
  EXPECT_THAT(refusal(v_text("recompute always\n"), {"--recompute", "when-needed"}),
              HasSubstr("says recompute always"));
  EXPECT_THAT(refusal(v_text("recompute 1\n"), {"--recompute", "always"}),
              HasSubstr("says recompute of some layers"));
  EXPECT_THAT(refusal(v_text("layers 1 1 4 1\n"), {"--split", "1,1,4,1"}),
              HasSubstr("--split is 1,1,4,1, but "));
  EXPECT_THAT(refusal(v_text(), {"--optimizer-in-schedule"}), HasSubstr("says NORM UPDATE"));
  EXPECT_THAT(refusal(v_text("layers 1 1 4 2\n"), {}),
              HasSubstr("own.csv has stages of 8 layers in all, but the model has 7"));
  EXPECT_THAT(refusal(v_text("recompute 7\n"), {}), HasSubstr("the model has the layers 0 to 6"));
  EXPECT_THAT(refusal(v_text(), {"--ranks", "3"}), HasSubstr("own.csv has 2 ranks"));
  EXPECT_EQ(train(file(v_text("recompute always\n", kInSchedule)) +
                  Words{"--recompute", "always", "--optimizer-in-schedule"})
                .exit_code,
            0);
}

TEST_F(ScheduleChoiceTest, FindingsOfATextHaveTheirPlaceInIt) {
  const std::string circle =
      "lockflight schedule 1\nname circle\nmicro-batches 2\nplacement 0 1\n"
      "rank 0: 0F0 0B0 0F1 0B1 TIED NORM UPDATE\nrank 1: 1F0 1F1 1B0 1B1 TIED NORM UPDATE\n";
  Outcome outcome = train(file(circle));
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("own.csv: rank 0, action 2 (line 5, column 13): a circle"),
                    HasSubstr("; rank 1 stands at compute 1F1")));
  outcome = run_here(Words{"prove", file(circle)[1]});
  EXPECT_THAT(outcome.out,
              HasSubstr("  deadlock   rank 0, action 2 (line 5, column 13): a circle"));
  std::string there = v_text();
  outcome = train(file(there.replace(there.find("2F1"), 3, "2F2")));
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_THAT(outcome.err,
              HasSubstr("own.csv: schedule file, line 6, column 21: 2F2 is of no micro"));
}

// What the rows of a text end with is what the program does there.
TEST_F(ScheduleChoiceTest, RowsEndWithWhatTheProgramDoesAfterItsActions) {
  for (const std::string end : {"TIED NORM UPDATE", "TIED SUMS UPDATE VALIDATE"}) {
    const Plan plan = plan_from_json(run_here(Words{"plan", "--json", "--tied", "--layers", "2",
                                                    "--width", "16", "--heads", "2"} +
                                              file(v_text("", end)))
                                         .out);
    std::string done;
    for (const plan::Instruction& instruction : plan.program.ranks[0].instructions) {
      using enum plan::Opcode;
      done += instruction.opcode == reduce_tied     ? "TIED "
              : instruction.opcode == gradient_norm ? "NORM "
              : instruction.opcode == gradient_sums ? "SUMS "
              : instruction.opcode == update        ? "UPDATE "
              : instruction.opcode == validate      ? "VALIDATE "
                                                    : "";
    }
    EXPECT_EQ(done, end + " ");
  }
}

TEST_F(ScheduleChoiceTest, AFileThatIsNotThereIsNoDatum) {
  EXPECT_EQ(train({"--schedule", folder_ / "none.csv"}).exit_code, 74);
}

}  // namespace
}  // namespace lockflight::tools
