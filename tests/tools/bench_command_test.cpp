// What lockflight bench measures: that everything is there and fits together.  No test looks at
// how long anything took.

#include <algorithm>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "backend.h"
#include "tools/bench_options.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::StartsWith;

constexpr int kRounds = 2;
constexpr int kSteps = 3;

Words tiny_bench(const std::string& device) {
  return {"bench",
          "--device",
          device,
          "--layers",
          "1",
          "--width",
          "16",
          "--heads",
          "2",
          "--context",
          "8",
          "--vocabulary",
          "32",
          "--micro-batches",
          "4",
          "--micro-batch-rows",
          "1",
          "--rounds",
          std::to_string(kRounds),
          "--steps",
          std::to_string(kSteps),
          "--transfer-sizes",
          "1KiB,64KiB",
          "--ranks",
          "1,2"};
}

struct Bench {
  nlohmann::json results;
  std::string text;
};

// Once for every kind of device.
const Bench& bench_on(DeviceKind kind) {
  static std::map<DeviceKind, Bench> benches;
  const auto [place, is_new] = benches.try_emplace(kind);
  if (is_new) {
    const train::ScratchFolder scratch;
    const std::string file = scratch / "results.json";
    const Outcome outcome =
        run_here(tiny_bench(std::string(name_of(kind))) + Words{"--save", file});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    place->second = {nlohmann::json::parse(train::read_file(file)), outcome.out};
  }
  return place->second;
}

class BenchTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override { test::need(GetParam()); }
  const nlohmann::json& results() const { return bench_on(GetParam()).results; }

  // The fields of the table's lines that begin with a number, up to a line that does not.
  std::vector<std::vector<std::string>> table(const std::string& heading) const {
    std::istringstream lines(bench_on(GetParam()).text);
    std::vector<std::vector<std::string>> rows;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      const std::vector<std::string> row{std::istream_iterator<std::string>(fields), {}};
      if (row.empty()) {
        inside = false;
      } else if (row.front() == heading) {
        inside = true;
      } else if (inside && row.front().find_first_not_of("0123456789") == std::string::npos) {
        rows.push_back(row);
      }
    }
    return rows;
  }
};

void expect_share(const nlohmann::json& share) {
  EXPECT_THAT(share.get<double>(), AllOf(Ge(0), Le(1)));
}

TEST_P(BenchTest, HasEveryConfigurationWithAllItsSamples) {
  std::set<std::pair<int, std::string>> expected;
  for (const int ranks : {1, 2}) {
    for (const std::string& schedule : listed_schedules({})) {
      expected.emplace(ranks, schedule);
    }
  }
  std::set<std::pair<int, std::string>> found;
  for (const nlohmann::json& run : results()["runs"]) {
    found.emplace(run["ranks"], run["schedule"]);
    ASSERT_EQ(run["samples"].size(), kRounds * kSteps);
    for (std::size_t i = 0; i < run["samples"].size(); ++i) {
      EXPECT_EQ(run["samples"][i]["round"], i / kSteps);
    }
  }
  for (const nlohmann::json& run : results()["skipped"]) {
    found.emplace(run["ranks"], run["schedule"]);
    EXPECT_NE(run["why"], "");
  }
  EXPECT_EQ(found, expected);
  EXPECT_GE(results()["runs"].size(), 6U);
}

TEST_P(BenchTest, SharesLieBetweenNothingAndAllAndTimesAreSome) {
  for (const nlohmann::json& run : results()["runs"]) {
    expect_share(run["predicted_idle_share"]);
    EXPECT_GT(run["predicted_step_seconds"], 0);
    for (const nlohmann::json& sample : run["samples"]) {
      expect_share(sample["idle_share"]);
      EXPECT_GT(sample["step_seconds"], 0);
      EXPECT_GT(sample["host_seconds_per_action"], 0);
      EXPECT_LT(sample["host_seconds_per_action"], sample["step_seconds"]);
      if (run["ranks"] == 1) {
        EXPECT_TRUE(sample["overlapped_share"].is_null());
      } else if (!sample["overlapped_share"].is_null()) {
        expect_share(sample["overlapped_share"]);
      }
    }
    const nlohmann::json& step = run["step_seconds"];
    EXPECT_LE(step["least"], step["lower_quartile"]);
    EXPECT_LE(step["lower_quartile"], step["median"]);
    EXPECT_LE(step["median"], step["upper_quartile"]);
    EXPECT_LE(step["upper_quartile"], step["most"]);
  }
}

TEST_P(BenchTest, HasTransfersOfEverySizeBetweenNeighboursInBothDirections) {
  std::set<std::tuple<int, int, int>> found;
  for (const nlohmann::json& transfer : results()["transfers"]) {
    found.emplace(transfer["from"], transfer["to"], transfer["bytes"]);
    EXPECT_EQ(transfer["samples"].size(), kRounds);
  }
  const std::set<std::tuple<int, int, int>> expected = {
      {0, 1, 1 << 10}, {0, 1, 1 << 16}, {1, 0, 1 << 10}, {1, 0, 1 << 16}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(results()["transfers"].size(), expected.size());
}

TEST_P(BenchTest, SaysWhatItRanOn) {
  const nlohmann::json& machine = results()["machine"];
  EXPECT_EQ(results()["format"], "lockflight bench");
  EXPECT_EQ(machine["device"], name_of(GetParam()));
  ASSERT_GE(machine["devices"].size(), 1U);
  EXPECT_NE(machine["devices"][0], "");
  EXPECT_THAT(results()["date"].get<std::string>(), testing::MatchesRegex("20..-..-..T..:..:..Z"));
  EXPECT_THAT(results()["lockflight"].get<std::string>(), HasSubstr("."));
  EXPECT_EQ(results()["layers"]["layers"].size(), 5U);
  const bool cuda = GetParam() == DeviceKind::cuda;
  EXPECT_EQ(machine["nccl"].is_null(), !cuda);
  EXPECT_EQ(machine["cublaslt"].is_null(), !cuda);
  EXPECT_EQ(results()["canary"].is_null(), cuda);
  if (!cuda) {
    EXPECT_EQ(results()["canary"]["samples"].size(), kRounds);
    // As many as the ranks use, where there are so many.
    EXPECT_EQ(results()["canary"]["cores"],
              std::clamp(std::thread::hardware_concurrency(), 1U, 2U));
  }
}

// On devices that only act like GPUs no rate is reported.
TEST_P(BenchTest, HasRatesOnRealDevicesOnly) {
  const bool emulated = results()["machine"]["virtual"];
  EXPECT_EQ(emulated, results()["machine"]["devices"][0].get<std::string>().find("virtual") !=
                          std::string::npos);
  for (const nlohmann::json& run : results()["runs"]) {
    EXPECT_TRUE(run["flop_utilisation"].is_null() || !emulated);
    EXPECT_EQ(run["times_the_first"].is_null(), emulated);
    if (emulated) {
      EXPECT_TRUE(run["tokens_per_second"].is_null());
    } else {
      EXPECT_DOUBLE_EQ(run["tokens_per_second"],
                       4 * 8 / run["step_seconds"]["median"].get<double>());
    }
  }
  for (const nlohmann::json& transfer : results()["transfers"]) {
    EXPECT_EQ(transfer["bytes_per_second"].is_null(), emulated);
  }
  EXPECT_EQ(bench_on(GetParam()).text.find("the device is virtual") != std::string::npos, emulated);
}

std::string shown(const nlohmann::json& value, double factor, int places) {
  return value.is_null() ? "-" : fmt::format("{:.{}f}", value.get<double>() * factor, places);
}

TEST_P(BenchTest, TheTablesHaveTheNumbersOfTheFile) {
  const auto steps = table("ranks");
  ASSERT_EQ(steps.size(), results()["runs"].size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const nlohmann::json& run = results()["runs"][i];
    const nlohmann::json overlap =
        run["overlapped_share"].is_null() ? nlohmann::json() : run["overlapped_share"]["median"];
    const std::vector<std::string> expected = {
        run["ranks"].dump(),
        run["schedule"],
        std::to_string(run["ranks"].get<int>() * run["stages_per_rank"].get<int>()),
        shown(run["step_seconds"]["median"], 1e3, 3),
        shown(run["step_seconds"]["lower_quartile"], 1e3, 3),
        "-",
        shown(run["step_seconds"]["upper_quartile"], 1e3, 3),
        shown(run["tokens_per_second"], 1, 0),
        shown(run["times_the_first"], 1, 3),
        shown(run["flop_utilisation"], 100, 1),
        shown(run["idle_share"]["median"], 100, 1),
        shown(run["predicted_idle_share"], 100, 1),
        shown(run["host_seconds_per_action"]["median"], 1e6, 2),
        shown(overlap, 100, 1)};
    EXPECT_EQ(steps[i], expected);
  }
  const auto transfers = table("from");
  ASSERT_EQ(transfers.size(), results()["transfers"].size());
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    const nlohmann::json& transfer = results()["transfers"][i];
    const std::vector<std::string> expected = {transfer["from"].dump(),
                                               transfer["to"].dump(),
                                               shown(transfer["bytes"], 1.0 / 1024, 2).substr(0, 4),
                                               "KiB",
                                               shown(transfer["seconds"]["median"], 1e6, 2),
                                               shown(transfer["bytes_per_second"], 1e-9, 3)};
    EXPECT_EQ(transfers[i], expected);
  }
}

INSTANTIATE_TEST_SUITE_P(On, BenchTest, test::all_backends(), test::backend_name);

void expect_refusal(const Words& words, int exit_code, const std::string& sentence) {
  const Outcome outcome = run_here(words.front() == "bench" ? words : Words{"bench"} + words);
  EXPECT_EQ(outcome.exit_code, exit_code) << testing::PrintToString(words);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(sentence)));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(BenchCommandTest, RefusesWhatCannotWork) {
  expect_refusal({"--ranks", "0"}, 64, "--ranks is \"0\"");
  expect_refusal({"--ranks", "1,"}, 64, "--ranks is \"1,\"");
  expect_refusal({"--schedules", "1f1b,soup"}, 64, "there is no \"soup\"");
  expect_refusal({"--schedules", "forward-only"}, 64, "forward-only has no backwards");
  expect_refusal({"--transfer-sizes", "6"}, 64, "--transfer-sizes has \"6\"");
  expect_refusal({"--transfer-sizes", "1KiB,big"}, 64, "--transfer-sizes is \"big\"");
  expect_refusal({"--steps", "0"}, 64, "--steps is 0");
  expect_refusal({"--rounds", "0"}, 64, "--rounds is 0");
  expect_refusal({"--model", "soup"}, 64, "there is no model \"soup\"");
  expect_refusal({"--heads", "5"}, 64, "--heads 5 do not divide --width 384");
  expect_refusal({"--device", "soup"}, 64, "--device");
  expect_refusal({"--device", "cpu", "--device-profile", "soup"}, 64, "soup");
  expect_refusal({"--device", "cpu", "--save", "/missing/results.json"}, 74,
                 "/missing/results.json");
}

TEST(BenchCommandTest, WhereNoConfigurationIsPossibleItSaysWhy) {
  expect_refusal(tiny_bench("cpu") + Words{"--ranks", "64", "--schedules", "1f1b"}, 64,
                 "there is nothing to measure");
  expect_refusal(tiny_bench("cpu") + Words{"--memory", "1KiB"}, 65, "more than the limit of");
  expect_refusal(
      tiny_bench("cpu") + Words{"--ranks", "64,1", "--schedules", "1f1b", "--memory", "1KiB"}, 65,
      "there is nothing to measure: rank 0");
}

TEST(BenchCommandTest, LeavesOutWhatIsNotPossibleWithTheReason) {
  const Outcome outcome = run_here(tiny_bench("cpu") + Words{"--ranks", "1,64", "--schedules",
                                                             "gpipe", "--rounds", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  const nlohmann::json results = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(results["runs"].size(), 1U);
  ASSERT_EQ(results["skipped"].size(), 1U);
  EXPECT_EQ(results["skipped"][0]["ranks"], 64);
  EXPECT_EQ(results["transfers"].size(), 0U);
}

}  // namespace
}  // namespace lockflight::tools
