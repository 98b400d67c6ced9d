#include "tools/bench_report.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockflight::tools {
namespace {

using testing::HasSubstr;

// No two figures are alike.
BenchResults some_results() {
  BenchResults results;
  results.options.micro_batches = 6;
  results.options.micro_batch_rows = 5;
  results.options.rounds = 2;
  results.options.steps = 4;
  results.options.warmup = 7;
  results.options.threads_per_rank = 9;
  results.machine.devices = {"a processor"};
  results.machine.peak = Peak{.profile = "one", .flops_per_second = 500e9};
  results.model = {.name = "a model",
                   .parameters = 3'000'000,
                   .dtype = "f32",
                   .step_flops = 7e8,
                   .step_tokens = 1000};
  results.runs.push_back({.ranks = 1, .schedule = "gpipe", .predicted_idle_share = 0.0625});
  for (const int round : {0, 1}) {
    results.runs[0].samples.push_back({.round = round, .step_seconds = 7e-3});
  }
  results.runs.push_back({.ranks = 2,
                          .schedule = "1f1b",
                          .stages_per_rank = 3,
                          .predicted_step_seconds = 6e-3,
                          .predicted_idle_share = 0.125,
                          .samples = {{0, 4e-3, 0.1, {}, 1e-6},
                                      {0, 2e-3, 0.2, 0.5, 2e-6},
                                      {1, 3e-3, 0.3, 0.6, 3e-6},
                                      {1, 9e-3, 0.8, 0.7, 4e-6}}});
  results.skipped.push_back({.ranks = 64, .schedule = "zb-v", .why = "there are too few layers"});
  results.transfers.push_back({.from = 1, .to = 0, .bytes = 4096, .seconds = {4e-6, 1e-6, 2e-6}});
  results.canary_cores = 8;
  results.canary = {{1e9, 40e9}, {3e9, 80e9}};
  return results;
}

void expect_summary(const nlohmann::json& summary, const Summary& expected) {
  EXPECT_DOUBLE_EQ(summary["least"], expected.least);
  EXPECT_DOUBLE_EQ(summary["lower_quartile"], expected.lower_quartile);
  EXPECT_DOUBLE_EQ(summary["median"], expected.median);
  EXPECT_DOUBLE_EQ(summary["upper_quartile"], expected.upper_quartile);
  EXPECT_DOUBLE_EQ(summary["most"], expected.most);
}

TEST(BenchReportTest, TheFileHasEachFigureUnderItsName) {
  const nlohmann::json run = as_json(some_results())["runs"][1];
  expect_summary(run["step_seconds"], {2e-3, 2.75e-3, 3.5e-3, 5.25e-3, 9e-3});
  expect_summary(run["idle_share"], {0.1, 0.175, 0.25, 0.425, 0.8});
  expect_summary(run["host_seconds_per_action"], {1e-6, 1.75e-6, 2.5e-6, 3.25e-6, 4e-6});
  expect_summary(run["overlapped_share"], {0.5, 0.55, 0.6, 0.65, 0.7});
  EXPECT_EQ(run["ranks"], 2);
  EXPECT_EQ(run["stages_per_rank"], 3);
  EXPECT_EQ(run["predicted_idle_share"], 0.125);
  EXPECT_EQ(run["predicted_step_seconds"], 6e-3);
  EXPECT_DOUBLE_EQ(run["tokens_per_second"], 1000 / 3.5e-3);
  EXPECT_DOUBLE_EQ(run["times_the_first"], (7.0 / 3 + 7.0 / 6) / 2);
  EXPECT_DOUBLE_EQ(run["flop_utilisation"], 0.2);
  EXPECT_EQ(run["samples"][2], nlohmann::json({{"round", 1},
                                               {"step_seconds", 3e-3},
                                               {"idle_share", 0.3},
                                               {"overlapped_share", 0.6},
                                               {"host_seconds_per_action", 3e-6}}));
  EXPECT_TRUE(run["samples"][0]["overlapped_share"].is_null());
}

TEST(BenchReportTest, TheFileHasWhatWasAskedAndWhatWasLeftOut) {
  const nlohmann::json file = as_json(some_results());
  EXPECT_EQ(file["settings"], nlohmann::json({{"micro_batches", 6},
                                              {"micro_batch_rows", 5},
                                              {"rounds", 2},
                                              {"steps", 4},
                                              {"warmup", 7},
                                              {"threads_per_rank", 9}}));
  EXPECT_EQ(
      file["skipped"][0],
      nlohmann::json({{"ranks", 64}, {"schedule", "zb-v"}, {"why", "there are too few layers"}}));
  EXPECT_EQ(file["canary"]["cores"], 8);
  EXPECT_EQ(file["canary"]["samples"][1], nlohmann::json({{"one_core_flops_per_second", 3e9},
                                                          {"together_flops_per_second", 80e9}}));
  EXPECT_EQ(file["transfers"][0]["bytes_per_second"], 4096 / 2e-6);
  EXPECT_EQ(file["model"]["step_flops"], 7e8);
  EXPECT_EQ(file["machine"]["peak"],
            nlohmann::json({{"profile", "one"}, {"flops_per_second", 500e9}}));
}

// One blank between words.
std::string squeezed(const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      all += word + " ";
    }
    all += "\n";
  }
  return all;
}

TEST(BenchReportTest, TheTextHasEachFigureInItsColumn) {
  const std::string text = squeezed(as_text(some_results()));
  EXPECT_THAT(text, HasSubstr("\nranks schedule stages step ms quartiles tokens/s of first MFU % "
                              "idle % expected host us overlap \n"));
  EXPECT_THAT(text, HasSubstr("\n2 1f1b 6 3.500 2.750 - 5.250 285714 1.750 20.0 25.0 12.5 2.50 "
                              "60.0 \n"));
  EXPECT_THAT(text, HasSubstr("\nfrom to size us GB/s \n1 0 4.00 KiB 2.00 2.048 \n"));
  EXPECT_THAT(text, HasSubstr("\nmedians of 2 rounds of 4 steps,"));
  EXPECT_THAT(text, HasSubstr("\nutilisation of the 0.5 TFLOP/s of one for every rank \n"));
  EXPECT_THAT(text, HasSubstr("\na model; f32, 3.00 M parameters, 6 micro-batches of 5 rows, "
                              "0.0007 TFLOP a step \n"));
  EXPECT_THAT(text, HasSubstr("\ncanary: multiply-adds 2.0 GFLOP/s on one core, 60.0 on 8 "
                              "together \n"));
  EXPECT_THAT(text, HasSubstr("\nleft out: zb-v on 64 ranks: there are too few layers \n"));
}

}  // namespace
}  // namespace lockflight::tools
