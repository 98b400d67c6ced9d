#include "lockflight/schedule/registry.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::schedule {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string error_of(std::string_view name, PipelineSize size) {
  try {
    make_schedule(name, size);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

std::vector<PipelineSize> sizes_of(const ScheduleInfo& info) {
  std::vector<PipelineSize> sizes;
  for (int p = 1; p <= 9; ++p) {
    for (int m = 1; m <= 14; ++m) {
      for (int v = 1; v <= (info.several_stages ? 4 : 1); ++v) {
        sizes.push_back({.ranks = p, .micro_batches = m, .stages_per_rank = v});
      }
    }
  }
  return sizes;
}

TEST(RegistryTest, MakesValidSchedulesThatFinishForAnySize) {
  for (const ScheduleInfo& info : schedules()) {
    for (const PipelineSize size : sizes_of(info)) {
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

TEST(RegistryTest, TakesNamesInUpperOrLowerCase) {
  EXPECT_EQ(make_schedule("GPipe", {.ranks = 2, .micro_batches = 2}).name, "gpipe");
  EXPECT_EQ(make_schedule("1F1B", {.ranks = 2, .micro_batches = 2}).name, "1f1b");
  EXPECT_EQ(make_schedule("Forward-Only", {.ranks = 2, .micro_batches = 2}).name, "forward-only");
}

TEST(RegistryTest, NamesTheSchedulesThereAreWhenAskedForAnother) {
  EXPECT_THAT(
      error_of("gpip", {.ranks = 2, .micro_batches = 2}),
      HasSubstr(
          "no schedule \"gpip\"; there are gpipe, 1f1b, interleaved, looped-bfs, forward-only"));
  EXPECT_THAT(error_of("", {}), HasSubstr("no schedule \"\""));
}

TEST(RegistryTest, RefusesAPipelineWithoutRanksOrMicroBatches) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_THAT(error_of(info.name, {.ranks = 0, .micro_batches = 4}),
                HasSubstr("0 ranks and 4 micro-batches; there must be at least 1 of each"));
    EXPECT_THAT(error_of(info.name, {.ranks = 4, .micro_batches = -1}),
                HasSubstr("4 ranks and -1 micro-batches"));
  }
}

TEST(RegistryTest, RefusesANumberOfStagesPerRankThatTheScheduleDoesNotHave) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_THAT(error_of(info.name, {.stages_per_rank = 0}),
                HasSubstr("0 stages per rank; there must be at least 1"));
    EXPECT_THAT(error_of(info.name, {.stages_per_rank = 2}),
                HasSubstr(info.several_stages ? "no error" : "2 stages per rank; it has 1"));
  }
}

TEST(RegistryTest, DescribesEachScheduleInALine) {
  for (const ScheduleInfo& info : schedules()) {
    EXPECT_FALSE(info.description.empty());
    EXPECT_FALSE(info.idle.empty());
    EXPECT_LE(info.description.size(), 79U);
    EXPECT_EQ(std::ranges::count(info.description, '\n'), 0);
  }
}

}  // namespace
}  // namespace lockflight::schedule
