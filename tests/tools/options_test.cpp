#include "tools/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "tools/check_options.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Words = std::vector<std::string>;

std::string refusal(const Words& words) {
  try {
    const Invocation invocation = parse(words);
    if (invocation.command == Command::train) {
      check(invocation.train);
    } else {
      check(invocation.sample);
    }
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

Words train(Words more) {
  Words words = {"train", "--data", "input.txt"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(OptionsTest, DefaultsWorkWithNothingButData) { EXPECT_EQ(refusal(train({})), ""); }

TEST(OptionsTest, ReadsEveryOptionOfTrain) {
  const TrainOptions options = parse({"train",
                                      "--data",
                                      "a.bin",
                                      "--ranks",
                                      "3",
                                      "--schedule",
                                      "gpipe",
                                      "--split",
                                      "1,3,2",
                                      "--recompute",
                                      "when-needed",
                                      "--micro-batches",
                                      "5",
                                      "--micro-batch-rows",
                                      "2",
                                      "--layers",
                                      "6",
                                      "--width",
                                      "48",
                                      "--heads",
                                      "3",
                                      "--context",
                                      "32",
                                      "--dropout",
                                      "0.25",
                                      "--tied",
                                      "--dtype",
                                      "bf16",
                                      "--steps",
                                      "77",
                                      "--learning-rate",
                                      "0.02",
                                      "--warmup",
                                      "7",
                                      "--clip",
                                      "0.5",
                                      "--optimizer",
                                      "sgd",
                                      "--momentum",
                                      "0.8",
                                      "--weight-decay",
                                      "0.01",
                                      "--seed",
                                      "18446744073709551615",
                                      "--device",
                                      "cpu",
                                      "--threads-per-rank",
                                      "2",
                                      "--streams",
                                      "chaos",
                                      "--chaos-seed",
                                      "9",
                                      "--validate-every",
                                      "11",
                                      "--checkpoint",
                                      "model",
                                      "--save-every",
                                      "12",
                                      "--resume",
                                      "--trace",
                                      "t.json",
                                      "--loss-curve",
                                      "c.svg",
                                      "--loss-log",
                                      "l.txt",
                                      "--json"})
                                   .train;
  EXPECT_EQ(options.data, "a.bin");
  EXPECT_EQ(options.ranks, 3);
  EXPECT_EQ(options.schedule, "gpipe");
  EXPECT_EQ(options.split, "1,3,2");
  EXPECT_EQ(options.recompute, "when-needed");
  EXPECT_EQ(options.update.micro_batches, 5);
  EXPECT_EQ(options.update.micro_batch_rows, 2);
  EXPECT_EQ(options.model, (ModelOptions{.layers = 6,
                                         .width = 48,
                                         .heads = 3,
                                         .context = 32,
                                         .dropout = 0.25,
                                         .tied = true,
                                         .dtype = "bf16"}));
  EXPECT_EQ(options.update.steps, 77);
  EXPECT_EQ(options.update.learning_rate, 0.02);
  EXPECT_EQ(options.update.learning_rates().warm_up_steps, 7);
  EXPECT_EQ(options.update.clip, 0.5);
  EXPECT_EQ(options.update.optimizer, "sgd");
  EXPECT_EQ(options.update.momentum, 0.8);
  EXPECT_EQ(options.update.weight_decay, 0.01);
  EXPECT_EQ(options.update.seed, 18446744073709551615U);
  EXPECT_EQ(options.device, "cpu");
  EXPECT_EQ(options.threads_per_rank, 2);
  EXPECT_EQ(options.streams, "chaos");
  EXPECT_EQ(options.chaos_seed, 9U);
  EXPECT_EQ(options.validate_every, 11);
  EXPECT_EQ(options.checkpoint, "model");
  EXPECT_EQ(options.save_every, 12);
  EXPECT_TRUE(options.resume);
  EXPECT_EQ(options.trace, "t.json");
  EXPECT_EQ(options.loss_curve, "c.svg");
  EXPECT_EQ(options.loss_log, "l.txt");
  EXPECT_TRUE(options.json);
  check(options);
}

TEST(OptionsTest, ReadsEveryOptionOfSampleAndSchedule) {
  const SampleOptions sample =
      parse({"sample", "--checkpoint", "model", "--prompt", "To be", "--bytes", "9",
             "--temperature", "0.5", "--top-k", "4", "--seed", "3", "--ranks", "2", "--json"})
          .sample;
  EXPECT_EQ(sample.checkpoint, "model");
  EXPECT_EQ(sample.prompt, "To be");
  EXPECT_EQ(sample.bytes, 9);
  EXPECT_EQ(sample.temperature, 0.5);
  EXPECT_EQ(sample.top_k, 4);
  EXPECT_EQ(sample.seed, 3U);
  EXPECT_EQ(sample.ranks, 2);
  EXPECT_TRUE(sample.json);

  const ScheduleOptions schedule =
      parse({"schedule", "1f1b", "--ranks", "3", "--micro-batches", "5", "--format", "csv"})
          .schedule;
  EXPECT_EQ(schedule.name, "1f1b");
  EXPECT_EQ(schedule.ranks, 3);
  EXPECT_EQ(schedule.micro_batches, 5);
  EXPECT_EQ(schedule.format, "csv");
  EXPECT_EQ(parse({"schedule", "1f1b", "--json"}).schedule.format, "json");
  EXPECT_TRUE(parse({"schedule", "--list"}).schedule.list);
}

TEST(OptionsTest, TheCommandLineOverridesTheFileAndTheFileTheDefaults) {
  const train::ScratchFolder folder;
  train::write_file(folder / "run.toml", "layers = 6\nwidth = 96\ntied = true\nsplit = [2, 4]\n");
  const TrainOptions options = parse({"train", "--config", folder / "run.toml", "--width", "32"},
                                     {.model = {.layers = 5, .heads = 7}})
                                   .train;
  EXPECT_EQ(options.model.layers, 6);
  EXPECT_EQ(options.model.width, 32);
  EXPECT_EQ(options.model.heads, 7);
  EXPECT_TRUE(options.model.tied);
  EXPECT_EQ(options.split, "2,4");
}

TEST(OptionsTest, AFlagOfTheFileCanBeTakenBack) {
  const train::ScratchFolder folder;
  train::write_file(folder / "run.toml", "tied = true\n");
  EXPECT_FALSE(parse({"train", "--config", folder / "run.toml", "--no-tied"}).train.model.tied);
}

TEST(OptionsTest, RefusesKeysOfTheFileByName) {
  const train::ScratchFolder folder;
  const std::string path = folder / "run.toml";
  train::write_file(path, "layers = 6\nlearning_rate = 0.1\n");
  EXPECT_THAT(refusal(train({"--config", path})),
              AllOf(HasSubstr("line 2"), HasSubstr("no option \"learning_rate\"")));
  train::write_file(path, "config = 'other.toml'\n");
  EXPECT_THAT(refusal(train({"--config", path})), HasSubstr("no option \"config\""));
  train::write_file(path, "help = true\n");
  EXPECT_THAT(refusal(train({"--config", path})), HasSubstr("no option \"help\""));
}

TEST(OptionsTest, RefusesValuesOfTheFileThatAreNone) {
  const train::ScratchFolder folder;
  const std::string path = folder / "run.toml";
  train::write_file(path, "layers = 'many'\n");
  EXPECT_THAT(refusal(train({"--config", path})), AllOf(HasSubstr("line 1"), HasSubstr("many")));
  train::write_file(path, "optimizer = 'magic'\n");
  EXPECT_THAT(refusal(train({"--config", path})), HasSubstr("magic"));
}

struct Refused {
  Words words;
  std::string sentence;
};

void PrintTo(const Refused& refused, std::ostream* out) {
  *out << testing::PrintToString(refused.words);
}

class RefusedOptionsTest : public testing::TestWithParam<Refused> {};

TEST_P(RefusedOptionsTest, AreNamedWithTheirValues) {
  EXPECT_THAT(refusal(GetParam().words), HasSubstr(GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(
    Of, RefusedOptionsTest,
    testing::Values(
        Refused{{"train"}, "--data FILE is missing"},
        Refused{train({"--ranks", "0"}), "--ranks is 0"},
        Refused{train({"--ranks", "-3"}), "--ranks is -3"},
        Refused{train({"--ranks", "two"}), "two"},
        Refused{train({"--ranks", "8", "--layers", "2"}), "the model has 7 layers"},
        Refused{train({"--width", "50", "--heads", "4"}), "--heads 4 do not divide --width 50"},
        Refused{train({"--heads", "0"}), "--heads is 0"},
        Refused{train({"--layers", "0"}), "--layers is 0"},
        Refused{train({"--context", "0"}), "--context is 0"},
        Refused{train({"--vocabulary", "-1"}), "--vocabulary is -1"},
        Refused{train({"--dropout", "1"}), "--dropout is 1"},
        Refused{train({"--dropout", "-0.1"}), "--dropout is -0.1"},
        Refused{train({"--dropout", "nan"}), "--dropout is nan"},
        Refused{train({"--steps", "0"}), "--steps is 0"},
        Refused{train({"--steps", "99999999999"}), "--steps is 99999999999"},
        Refused{train({"--micro-batches", "0"}), "--micro-batches is 0"},
        Refused{train({"--micro-batch-rows", "0"}), "--micro-batch-rows is 0"},
        Refused{train({"--learning-rate", "-1"}), "learning rate: -1"},
        Refused{train({"--learning-rate", "inf"}), "learning rate: inf"},
        Refused{train({"--steps", "5", "--warmup", "6"}), "a warm-up of 6 steps in 5 steps"},
        Refused{train({"--clip", "-1"}), "--clip is -1"},
        Refused{train({"--optimizer", "adagrad"}), "adagrad"},
        Refused{train({"--schedule", "2f2b"}), "no schedule \"2f2b\""},
        Refused{train({"--schedule", "forward-only"}), "cannot train"},
        Refused{train({"--split", "1,1"}), "must add up to 4 (blocks), or to 11"},
        Refused{train({"--recompute", "sometimes"}), "sometimes"},
        Refused{train({"--device", "tpu"}), "tpu"}, Refused{train({"--streams", "many"}), "many"},
        Refused{train({"--chaos-seed", "1"}), "--streams chaos"},
        Refused{train({"--threads-per-rank", "0"}), "--threads-per-rank is 0"},
        Refused{train({"--resume"}), "--resume needs --checkpoint"},
        Refused{train({"--save-every", "5"}), "--save-every needs --checkpoint"},
        Refused{train({"--loss-log", "./input.txt"}), "--data and --loss-log are both"},
        Refused{train({"--trace", "a", "--loss-curve", "a"}), "--trace and --loss-curve are both"},
        Refused{train({"--bogus", "1"}), "--bogus"}, Refused{{"bogus"}, "bogus"},
        Refused{{}, "subcommand"}, Refused{{"sample"}, "--checkpoint DIR is missing"},
        Refused{train({"--vocabulary", "128", "--prompt", "\xff"}), "--prompt has token 255"},
        Refused{{"sample", "--checkpoint", "m", "--bytes", "0"}, "--bytes is 0"},
        Refused{{"sample", "--checkpoint", "m", "--temperature", "-1"}, "--temperature is -1"},
        Refused{{"sample", "--checkpoint", "m", "--ranks", "0"}, "--ranks is 0"}));

TEST(OptionsTest, HelpHasAnExampleAndNamesTheOptions) {
  const Invocation train = parse({"train", "--help"});
  EXPECT_EQ(train.command, Command::help);
  EXPECT_THAT(train.help, AllOf(HasSubstr("Usage: lockflight train [OPTIONS]"),
                                HasSubstr("Example:\n  lockflight train --data"),
                                HasSubstr("--micro-batch-rows"), HasSubstr("--loss-log")));
  EXPECT_THAT(parse({"sample", "--help"}).help,
              AllOf(HasSubstr("Example:\n  lockflight sample"), HasSubstr("--temperature")));
  EXPECT_THAT(parse({"schedule", "-h"}).help,
              AllOf(HasSubstr("lockflight schedule 1f1b"), HasSubstr("--format")));
  EXPECT_THAT(parse({"--help"}).help,
              AllOf(HasSubstr("train"), HasSubstr("sample"), HasSubstr("schedule")));
}

TEST(OptionsTest, TellsTheVersion) {
  const Invocation version = parse({"--version"});
  EXPECT_EQ(version.command, Command::help);
  EXPECT_THAT(version.help, testing::MatchesRegex("lockflight [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(OptionsTest, TheVocabularyFollowsTheDataUnlessItIsGiven) {
  EXPECT_EQ(vocabulary_of({.data = "a.txt"}), 256);
  EXPECT_EQ(vocabulary_of({.data = "a.bin"}), 50257);
  EXPECT_EQ(vocabulary_of({.data = "a.bin", .model = {.vocabulary = 300}}), 300);
}

TEST(OptionsTest, WarmsUpForATenthOfTheStepsButAtMostAHundred) {
  EXPECT_EQ(UpdateOptions{.steps = 5}.learning_rates().warm_up_steps, 0);
  EXPECT_EQ(UpdateOptions{.steps = 300}.learning_rates().warm_up_steps, 30);
  EXPECT_EQ(UpdateOptions{.steps = 30000}.learning_rates().warm_up_steps, 100);
}

}  // namespace
}  // namespace lockflight::tools
