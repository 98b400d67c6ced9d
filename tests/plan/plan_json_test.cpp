#include "lockflight/plan/plan_json.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/nn/gpt2.h"
#include "plan/json_place.h"

namespace lockflight {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;
using Json = nlohmann::ordered_json;

Plan small_plan() {
  nn::Model model = nn::gpt2(
      {.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16, .tied = true});
  World world = World::threads({.ranks = 3});
  return make_plan(
      model, world,
      {.micro_batch = {.rows = 2}, .micro_batches = 4, .memory_limit_bytes = std::size_t{1} << 30});
}

TEST(PlanJsonTest, LoadsWhatWasSaved) {
  const Plan plan = small_plan();
  const std::string text = plan_to_json(plan);
  const Plan loaded = plan_from_json(text);
  EXPECT_EQ(plan_to_json(loaded), text);
  EXPECT_EQ(to_string(loaded.program), to_string(plan.program));
  EXPECT_EQ(loaded.schedule, plan.schedule);
  EXPECT_EQ(loaded.memory[1].arena_bytes(), plan.memory[1].arena_bytes());
  EXPECT_EQ(loaded.memory_limit_bytes, plan.memory_limit_bytes);
}

TEST(PlanJsonTest, KnowsWhereTheOptimizerStands) {
  nn::Model model =
      nn::gpt2({.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16});
  const Plan plan = make_plan(
      model, 3, {.micro_batches = 4, .lower = {.optimizer = plan::OptimizerPlace::in_schedule}});
  const Plan loaded = plan_from_json(plan_to_json(plan));
  EXPECT_EQ(to_string(loaded.program), to_string(plan.program));
  EXPECT_TRUE(validates(loaded.program));
  EXPECT_EQ(loaded.program.ranks[0].prologue, plan.program.ranks[0].prologue);
}

TEST(PlanJsonTest, KeepsWhatDevicesTakeThemselves) {
  nn::Model model =
      nn::gpt2({.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16});
  const Plan plan =
      make_plan(model, 2, {.micro_batches = 4, .device = plan::device_profile("h100")});
  ASSERT_GT(plan.memory[1].workspace_bytes, 0U);
  EXPECT_EQ(plan_from_json(plan_to_json(plan)).memory[1].workspace_bytes,
            plan.memory[1].workspace_bytes);
}

TEST(PlanJsonTest, BothCopiesOfAPartAreAlike) {
  nn::Model model =
      nn::gpt2({.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16});
  const std::string good = plan_to_json(make_plan(model, 2,
                                                  {.micro_batches = 4,
                                                   .schedule = "dualpipe",
                                                   .split = {3, 4},
                                                   .recompute = Recomputation::always}));
  EXPECT_EQ(plan_to_json(plan_from_json(good)), good);
  Json cut = Json::parse(good);
  cut["stages"][2]["layers"] = 4;
  EXPECT_THAT([&] { plan_from_json(cut.dump()); },
              ThrowsMessage<DataError>(
                  HasSubstr("stages[2].layers is 4, but the same part has 3 in the first copy")));
  Json kept = Json::parse(good);
  kept["stages"][2]["recomputed"].erase(0);
  EXPECT_THAT([&] { plan_from_json(kept.dump()); },
              ThrowsMessage<DataError>(HasSubstr("stages[2].recomputed is another list")));
}

struct Contradiction {
  std::function<void(Json&)> change;
  std::string sentence;
  std::string place;  // pointer to the value whose line and column it names
};

TEST(PlanJsonTest, NamesWhatContradictsTheRestAndItsPlace) {
  const std::vector<Contradiction> contradictions = {
      {[](Json& j) { j["version"] = 1; }, "version is 1, but this program reads version 2",
       "/version"},
      {[](Json& j) { j["format"] = "soup"; }, "format is \"soup\", expected \"lockflight plan\"",
       "/format"},
      {[](Json& j) { j.erase("stages"); }, "stages is missing", ""},
      {[](Json& j) { j["stages"][1]["layers"] = -1; }, "stages[1].layers is -1, expected",
       "/stages/1/layers"},
      {[](Json& j) { j["stages"][1]["layers"] = 2.5; }, "stages[1].layers is 2.5, expected",
       "/stages/1/layers"},
      {[](Json& j) { j["stages"][1]["layers"] = 1e300; }, "stages[1].layers is 1e+300, expected",
       "/stages/1/layers"},
      {[](Json& j) { j["stages"][1]["first_layer"] = 1; }, "but the stages before end with layer",
       "/stages/1/first_layer"},
      {[](Json& j) { j["stages"][1]["rank"] = 2; },
       "stages[1].rank is 2, but the schedule runs stage 1 on rank 1", "/stages/1/rank"},
      {[](Json& j) { j["stages"].erase(2); }, "stages has 2 stages, but the schedule has 3",
       "/stages"},
      {[](Json& j) { j["stages"].push_back(j["stages"][2]); }, "stages[3].first_layer is",
       "/stages/3/first_layer"},
      {[](Json& j) { j["stages"][0]["forward_flops"] = -1; },
       "stages[0].forward_flops is -1, expected a number from", "/stages/0/forward_flops"},
      {[](Json& j) { j["micro_batches"] = 5; }, "micro_batches is 5, but the schedule has 4",
       "/micro_batches"},
      {[](Json& j) { j["schedule"]["csv"] = "0F0\n1F0,soup\n"; }, "row 2, cell 2", "/schedule/csv"},
      {[](Json& j) {
         j["schedule"]["csv"] = j["schedule"]["csv"].get<std::string>().replace(0, 3, "0B0");
       },
       "schedule cannot run", "/schedule"},
      {[](Json& j) { j["ties"][0]["second"] = 9; }, "ties[0].second is 9, expected a stage",
       "/ties/0/second"},
      {[](Json& j) { j["memory"].erase(0); }, "memory is of 2 ranks, but the schedule has 3",
       "/memory"},
      {[](Json& j) { j["memory"][0]["step_peak_bytes"] = std::int64_t{1} << 40; },
       "memory[0].step_peak_bytes is 1099511627776, more than", "/memory/0/step_peak_bytes"},
      {[](Json& j) { j["stages"][0]["layers"] = 2147483647; }, "stages[1].first_layer is",
       "/stages/1/first_layer"},
      {[](Json& j) { j["stages"][0]["recomputed"] = {"a", "b", "c", "d", "e", "f", "g"}; },
       "stages[0].recomputed names 7 layers, but the stage has", "/stages/0/recomputed"},
      {[](Json& j) { j["memory_limit_bytes"] = 1000; },
       "memory_limit_bytes is 1000, but rank 0 needs", "/memory_limit_bytes"},
      {[](Json& j) { j["prediction"]["idle"].erase(0); },
       "prediction.idle is of 2 ranks, but the schedule has 3", "/prediction/idle"},
      {[](Json& j) { j["prediction"]["step_seconds"] = -1; },
       "prediction.step_seconds is -1, expected a number", "/prediction/step_seconds"},
      {[](Json& j) { j["prediction"].erase("idle"); }, "prediction.idle is missing", "/prediction"},
      {[](Json& j) { j["memory"] = 7; }, "memory is 7, expected a list", "/memory"},
  };
  const Json good = Json::parse(plan_to_json(small_plan()));
  for (const Contradiction& contradiction : contradictions) {
    Json bad = good;
    contradiction.change(bad);
    const std::string place = plan::place_of(bad, bad.at(Json::json_pointer(contradiction.place)));
    EXPECT_THAT([&] { plan_from_json(bad.dump(2)); },
                ThrowsMessage<DataError>(
                    AllOf(StartsWith("plan: " + place), HasSubstr(contradiction.sentence))));
  }
}

TEST(PlanJsonTest, NamesTheLineOfWhatIsNoJson) {
  EXPECT_THAT([] { plan_from_json("{\n \"format\": oops}"); },
              ThrowsMessage<DataError>(HasSubstr("line 2, column")));
  EXPECT_THAT([] { plan_from_json(""); }, ThrowsMessage<DataError>(HasSubstr("is no JSON")));
}

// Whatever is done to the text, it loads or ends in one sentence.
TEST(PlanJsonTest, SurvivesDamage) {
  const std::string good = plan_to_json(small_plan());
  Random random({.seed = 3});
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text = good;
    const std::uint64_t changes = 1 + random.next_below(3);
    for (std::uint64_t change = 0; change < changes; ++change) {
      const std::size_t place = random.next_below(text.size());
      switch (random.next_below(4)) {
        case 0:
          text[place] = static_cast<char>(random.next_below(256));
          break;
        case 1:
          text.erase(place, 1 + random.next_below(40));
          break;
        case 2:
          text.insert(place, std::to_string(random.next_u64()));
          break;
        default:
          text.resize(place + 1);
      }
    }
    try {
      plan_from_json(text);
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()), "");
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace lockflight
