#include "tools/train_command.h"

#include <cstdlib>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/plan/plan.h"
#include "lockflight/train/checkpoint.h"
#include "lockflight/train/optimizer.h"
#include "tools/command_runs.h"
#include "tools/run_settings.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

class TrainCommandTest : public testing::Test {
 protected:
  TrainCommandTest() { train::write_file(folder_ / "input.txt", some_text()); }

  Outcome train(const Words& more) {
    Outcome outcome = run_here(tiny_training() + Words{"--data", folder_ / "input.txt"} + more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome;
  }

  train::ScratchFolder folder_;
};

TEST_F(TrainCommandTest, ShowsStagesTimetableProgressBubbleSampleFilesAndWeights) {
  const Words files = {"--checkpoint", folder_ / "model",    "--trace",    folder_ / "trace.json",
                       "--loss-curve", folder_ / "loss.svg", "--loss-log", folder_ / "loss.txt"};
  const std::string out = train(files + Words{"--ranks", "2", "--validate-every", "2",
                                              "--log-every", "2", "--sample-bytes", "20", "--tied"})
                              .out;
  EXPECT_THAT(out, AllOf(HasSubstr("embedding … "), HasSubstr("rank 0  F0 F1 "),
                         HasSubstr("step 2/4  loss "), HasSubstr("step 4/4  loss "),
                         HasSubstr("validation "), HasSubstr("tokens/s"), HasSubstr("--- sample"),
                         ContainsRegex("bubble +expected [0-9.]+ %, measured [0-9.]+ %")));
  EXPECT_THAT(out, testing::Not(HasSubstr("step 1/4")));
  for (std::size_t i = 1; i < files.size(); i += 2) {
    EXPECT_THAT(out, HasSubstr(files[i]));
    EXPECT_TRUE(std::filesystem::exists(files[i]));
  }
  EXPECT_TRUE(std::regex_search(out, std::regex("\nweights 0x[0-9a-f]{16}\n$"))) << out;
  EXPECT_TRUE(nlohmann::json::accept(train::read_file(folder_ / "trace.json")));
  EXPECT_THAT(train::read_file(folder_ / "loss.svg"),
              AllOf(HasSubstr("<svg"), HasSubstr("validation")));
}

TEST_F(TrainCommandTest, ADryRunPrintsThePlanAndStops) {
  const std::string out =
      train({"--dry-run", "--ranks", "2", "--checkpoint", folder_ / "model"}).out;
  EXPECT_THAT(out, AllOf(HasSubstr("embedding … "), HasSubstr("peak of the step"),
                         HasSubstr("proved complete"), HasSubstr("measured on cpu")));
  EXPECT_THAT(out, testing::Not(HasSubstr("weights")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "model"));
  const std::string json = train({"--dry-run", "--profile", "estimate", "--json"}).out;
  EXPECT_EQ(nlohmann::json::parse(json)["prediction"]["source"], "estimated for cpu-2core");
}

TEST_F(TrainCommandTest, RefusesAPlanThatDoesNotFitTheMemory) {
  const Words words = tiny_training() + Words{"--data", folder_ / "input.txt", "--ranks", "2"};
  const Outcome refused = run_here(words + Words{"--memory", "100KiB"});
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("more than the limit of 100 KiB"), HasSubstr("whose peak is at")));
  EXPECT_EQ(run_here(words + Words{"--memory", "100KiB", "--dry-run"}).exit_code, 65);
  EXPECT_EQ(run_here(words + Words{"--memory", "1GiB"}).exit_code, 0);
}

TEST_F(TrainCommandTest, ComparesWhatWasExpectedWithWhatWasMeasured) {
  EXPECT_THAT(train({"--ranks", "2"}).out,
              AllOf(ContainsRegex("step +expected [0-9.]+ ms, measured [0-9.]+ ms"),
                    ContainsRegex("1B +expected [0-9.]+ ms, measured [0-9.]+ ms")));
}

TEST_F(TrainCommandTest, PrintsAnObjectForEachLoggedStepAndALastOneForMachines) {
  std::istringstream lines(train({"--json", "--log-every", "2", "--validate-every", "4",
                                  "--loss-log", folder_ / "loss.txt"})
                               .out);
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(lines, line);) {
    objects.push_back(nlohmann::json::parse(line));
  }
  ASSERT_EQ(objects.size(), 3U);
  EXPECT_EQ(objects[0]["step"], 2);
  EXPECT_TRUE(objects[0]["validation_loss"].is_null());
  EXPECT_EQ(objects[1]["step"], 4);
  EXPECT_TRUE(objects[1]["validation_loss"].is_number());
  EXPECT_EQ(objects[2]["event"], "end");
  EXPECT_EQ(objects[2]["steps"], 4);
  EXPECT_EQ(objects[2]["loss"], objects[1]["loss"]);
  EXPECT_EQ(objects[2]["files"]["loss log"], (folder_ / "loss.txt").string());
  EXPECT_TRUE(
      std::regex_match(objects[2]["weights"].get<std::string>(), std::regex("0x[0-9a-f]{16}")));
}

TEST_F(TrainCommandTest, ALossOfTheLogIsTheSameNumberInDecimalAndHexadecimal) {
  train({"--loss-log", folder_ / "loss.txt"});
  std::ifstream log(folder_ / "loss.txt");
  int steps = 0;
  for (std::string word; log >> word; ++steps) {
    int step = -1;
    std::string decimal;
    std::string hexadecimal;
    log >> step >> word >> decimal >> hexadecimal;
    EXPECT_EQ(step, steps);
    EXPECT_EQ(std::strtof(decimal.c_str(), nullptr), std::strtof(hexadecimal.c_str(), nullptr));
    EXPECT_NE(hexadecimal.find("0x"), std::string::npos);
  }
  EXPECT_EQ(steps, 4);
}

TEST_F(TrainCommandTest, LearnsAText) {
  const auto loss = [](const std::string& json) {
    const auto line = json.substr(json.rfind("{\"event\":\"end\""));
    return nlohmann::json::parse(line)["validation_loss"].get<double>();
  };
  const Words words = {"--json", "--validate-every", "200", "--validation-rows", "8"};
  const double before = loss(train(words + Words{"--steps", "1", "--learning-rate", "0"}).out);
  const double after = loss(train(words + Words{"--steps", "150"}).out);
  EXPECT_NEAR(before, std::log(256.0), 0.3);
  EXPECT_LT(after, 2.5);
}

TEST_F(TrainCommandTest, TracesTheFirstStepsOnly) {
  train({"--trace", folder_ / "all.json"});
  train({"--trace", folder_ / "one.json", "--trace-steps", "1"});
  const auto events = [&](const std::string& name) {
    return nlohmann::json::parse(train::read_file(folder_ / name)).at("traceEvents").size();
  };
  EXPECT_GT(events("all.json"), 2 * events("one.json"));
}

TEST_F(TrainCommandTest, PrintsTheChaosSeedWithWhichARunCanBeRepeated) {
  EXPECT_THAT(train({"--streams", "chaos"}).out, ContainsRegex("--chaos-seed [0-9]+\n"));
  EXPECT_THAT(train({"--streams", "chaos", "--chaos-seed", "7"}).out,
              HasSubstr("--chaos-seed 7\n"));
}

TEST_F(TrainCommandTest, TrainsOnTokensOfABinFile) {
  std::string tokens;
  for (int i = 0; i < 4000; ++i) {
    const int token = i * i % 300;
    tokens += static_cast<char>(token % 256);
    tokens += static_cast<char>(token / 256);
  }
  train::write_file(folder_ / "tokens.bin", tokens);
  EXPECT_THAT(train({"--data", folder_ / "tokens.bin", "--vocabulary", "300"}).out,
              HasSubstr("4000 tokens"));
}

TEST_F(TrainCommandTest, SgdTrainsAndResumesToo) {
  const Words words = {"--optimizer", "sgd", "--checkpoint", folder_ / "model"};
  const std::string expected = train(words).out;
  train(words + Words{"--stop-after", "1"});
  const std::string resumed =
      train({"--checkpoint", folder_ / "model", "--resume", "--ranks", "3"}).out;
  EXPECT_EQ(resumed.substr(resumed.rfind("weights")), expected.substr(expected.rfind("weights")));
}

std::string weights_of(const std::string& out) { return out.substr(out.rfind("weights")); }

TEST_F(TrainCommandTest, TrainsAndSamplesInBf16) {
  const Words bf16 = {"--dtype", "bf16", "--checkpoint", folder_ / "model"};
  const std::string expected = train(bf16).out;
  EXPECT_NE(weights_of(expected), weights_of(train({}).out));
  EXPECT_EQ(weights_of(train(bf16 + Words{"--ranks", "3", "--threads-per-rank", "2"}).out),
            weights_of(expected));
  EXPECT_EQ(weights_of(train(bf16 + Words{"--ranks", "2", "--profile", "estimate"}).out),
            weights_of(expected));
  EXPECT_THAT(train(bf16 + Words{"--sample-bytes", "20"}).out, HasSubstr("--- sample"));
  const Outcome sample =
      run_here({"sample", "--checkpoint", folder_ / "model", "--bytes", "10", "--ranks", "2"});
  EXPECT_EQ(sample.exit_code, 0) << sample.err;
  const Outcome refused = run_here(tiny_training() + Words{"--dtype", "f16"});
  EXPECT_EQ(refused.exit_code, 64);
  EXPECT_THAT(refused.err, HasSubstr("--dtype"));
}

TEST_F(TrainCommandTest, ResumesInTheTypeOfTheCheckpointOrInTheOneThatIsAskedFor) {
  const Words checkpoint = {"--checkpoint", folder_ / "model"};
  const std::string narrow = train({"--dtype", "bf16"}).out;
  const auto resumed = [&](const Words& first, const Words& second) {
    train(first + checkpoint + Words{"--stop-after", "2"});
    return weights_of(train(second + checkpoint + Words{"--resume"}).out);
  };
  EXPECT_EQ(resumed({"--dtype", "bf16"}, {}), weights_of(narrow));
  const std::string changed = resumed({"--dtype", "bf16"}, {"--dtype", "f32"});
  EXPECT_NE(changed, weights_of(narrow));
  EXPECT_NE(changed, weights_of(train({}).out));
  // What is saved from there on is of the other type.
  train(checkpoint + Words{"--dtype", "bf16", "--stop-after", "1"});
  train(checkpoint + Words{"--dtype", "f32", "--stop-after", "2", "--resume"});
  EXPECT_EQ(read_settings(folder_ / "model").model.dtype, "f32");
}

TEST_F(TrainCommandTest, ACheckpointFromBeforeThereWasAChoiceIsOfF32) {
  train({"--checkpoint", folder_ / "model"});
  RunSettings settings = read_settings(folder_ / "model");
  train::CheckpointInfo info = checkpoint_info(settings);
  auto model = nlohmann::json::parse(info.model);
  model.erase("dtype");
  info.model = model.dump();
  World world = World::threads({.ranks = 1});
  nn::Model built = build_model(settings.model);
  const Plan plan = make_plan(built, world, {});
  const Pipeline pipeline(world, std::move(built), plan);
  const train::AdamW optimizer(pipeline.parameters());
  train::save_checkpoint(folder_ / "old", pipeline, optimizer, info);
  EXPECT_EQ(read_settings(folder_ / "old").model, settings.model);
}

TEST_F(TrainCommandTest, ResumingRefusesAnotherModel) {
  train({"--checkpoint", folder_ / "model"});
  const Outcome outcome = run_here({"train", "--data", folder_ / "input.txt", "--checkpoint",
                                    folder_ / "model", "--resume", "--width", "32"});
  EXPECT_EQ(outcome.exit_code, 64);
  EXPECT_THAT(outcome.err, HasSubstr("another model"));
}

TEST_F(TrainCommandTest, ResumingAFinishedRunShowsItsWeightsAgain) {
  const std::string expected = train({"--checkpoint", folder_ / "model"}).out;
  const std::string again = train({"--checkpoint", folder_ / "model", "--resume"}).out;
  EXPECT_EQ(again.substr(again.rfind("weights")), expected.substr(expected.rfind("weights")));
}

}  // namespace
}  // namespace lockflight::tools
