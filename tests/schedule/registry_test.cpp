#include "lockflight/schedule/registry.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/timetable.h"
#include "schedule/closed_forms.h"
#include "schedule/error_of.h"
#include "schedule/sizes.h"

namespace lockflight::schedule {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string registry_error(std::string_view name, PipelineSize size) {
  return error_of<InvalidArgument>([&] { make_schedule(name, size); });
}

TEST(RegistryTest, MakesValidSchedulesThatFinishForAnySize) {
  std::vector<int> micro_batches(kMostMicroBatches);
  std::iota(micro_batches.begin(), micro_batches.end(), 1);
  for (const ScheduleInfo& info : schedules()) {
    for (const PipelineSize size : sizes_of(info, 9, micro_batches, 4)) {
      SCOPED_TRACE(testing::Message() << info.name << " p " << size.ranks << " m "
                                      << size.micro_batches << " v " << size.stages_per_rank);
      const Schedule schedule = make_schedule(info.name, size);
      EXPECT_EQ(schedule.name, info.name);
      EXPECT_EQ(schedule.ranks(), size.ranks);
      EXPECT_EQ(schedule.stages(), size.ranks * size.stages_per_rank);
      EXPECT_EQ(schedule.micro_batches, size.micro_batches);
      EXPECT_FALSE(is_lowered(schedule));
      EXPECT_THAT(validate(schedule), IsEmpty());
      EXPECT_GT(make_timetable(schedule).makespan(), 0);
    }
  }
}

TEST(RegistryTest, TakesTheUsualStagesPerRankUnlessTold) {
  for (const ScheduleInfo& info : schedules()) {
    PipelineSize size{.ranks = 2, .micro_batches = 4};
    const Schedule untold = make_schedule(info.name, size);
    size.stages_per_rank = info.usual_stages_per_rank();
    EXPECT_EQ(make_schedule(info.name, size), untold) << info.name;
    EXPECT_EQ(untold.placement, info.copies == 2   ? Placement::two_way(2)
                                : info.v_placement ? Placement::v(2)
                                                   : Placement::loop({.ranks = 2}));
  }
}

TEST(RegistryTest, SaysWhichSizesAScheduleTakes) {
  for (const ScheduleInfo& info : schedules()) {
    for (int p = 1; p <= 6; ++p) {
      for (int m = 1; m <= 14; ++m) {
        const std::string error = registry_error(info.name, {.ranks = p, .micro_batches = m});
        EXPECT_EQ(info.takes(p, m), error == "no error") << info.name << " p " << p << " m " << m;
      }
    }
    const PipelineSize least = info.least_size();
    EXPECT_TRUE(info.takes(least.ranks, least.micro_batches)) << info.name;
    EXPECT_FALSE(info.takes(least.ranks, least.micro_batches - 1) && least.micro_batches > 1);
  }
}

TEST(RegistryTest, TakesNamesInUpperOrLowerCase) {
  EXPECT_EQ(make_schedule("GPipe", {.ranks = 2, .micro_batches = 2}).name, "gpipe");
  EXPECT_EQ(make_schedule("1F1B", {.ranks = 2, .micro_batches = 2}).name, "1f1b");
  EXPECT_EQ(make_schedule("ZB-V", {.ranks = 2, .micro_batches = 2}).name, "zb-v");
  EXPECT_EQ(make_schedule("DualPipeV", {.ranks = 2, .micro_batches = 4}).name, "dualpipev");
  EXPECT_EQ(make_schedule("Forward-Only", {.ranks = 2, .micro_batches = 2}).name, "forward-only");
}

TEST(RegistryTest, NamesTheSchedulesThereAreWhenAskedForAnother) {
  EXPECT_THAT(
      registry_error("gpip", {.ranks = 2, .micro_batches = 2}),
      HasSubstr(
          "no schedule \"gpip\"; there are gpipe, 1f1b, eager-1f1b, interleaved, looped-bfs, "));
  EXPECT_THAT(registry_error("", {}), HasSubstr("no schedule \"\""));
}

TEST(RegistryTest, RefusesAPipelineWithoutRanksOrMicroBatches) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_THAT(registry_error(info.name, {.ranks = 0, .micro_batches = 4}),
                HasSubstr("0 ranks and 4 micro-batches; there must be at least 1 of each"));
    EXPECT_THAT(registry_error(info.name, {.ranks = 4, .micro_batches = -1}),
                HasSubstr("4 ranks and -1 micro-batches"));
  }
}

TEST(RegistryTest, RefusesANumberOfStagesPerRankThatTheScheduleDoesNotHave) {
  for (const ScheduleInfo& info : schedules()) {
    const int usual = info.usual_stages_per_rank();
    for (const int stages : {-1, 1, 2, 3}) {
      const std::string error = registry_error(
          info.name, {.ranks = info.copies, .micro_batches = 4, .stages_per_rank = stages});
      if (stages == usual || (info.several_stages && stages > 0)) {
        EXPECT_EQ(error, "no error") << info.name;
      } else {
        EXPECT_THAT(error, HasSubstr(std::to_string(stages) + " stages per rank; ")) << info.name;
      }
    }
  }
}

TEST(RegistryTest, RefusesGroupsWhereTheScheduleHasNone) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_THAT(
        registry_error(info.name, {.ranks = 2, .micro_batches = 4, .group = 2}),
        HasSubstr(info.groups ? "no error" : "it has none, try interleaved or interleaved-zb"));
  }
}

TEST(RegistryTest, DescribesEachScheduleInALine) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_FALSE(info.description.empty());
    EXPECT_FALSE(info.idle.empty());
    EXPECT_FALSE(info.keeps.empty());
    EXPECT_FALSE(info.source.empty());
    EXPECT_LE(info.description.size(), 79U);
    EXPECT_EQ(std::ranges::count(info.description, '\n'), 0);
  }
}

}  // namespace
}  // namespace lockflight::schedule
