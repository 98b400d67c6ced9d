#include "lockflight/schedule/registry.h"

#include <algorithm>
#include <string>

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

TEST(RegistryTest, MakesValidSchedulesThatFinishForAnySize) {
  for (const ScheduleInfo& info : schedules()) {
    for (int p = 1; p <= 9; ++p) {
      for (int m = 1; m <= 12; ++m) {
        SCOPED_TRACE(testing::Message() << info.name << " p " << p << " m " << m);
        const Schedule schedule = make_schedule(info.name, {.ranks = p, .micro_batches = m});
        EXPECT_EQ(schedule.name, info.name);
        EXPECT_EQ(schedule.ranks(), p);
        EXPECT_EQ(schedule.micro_batches, m);
        EXPECT_FALSE(is_lowered(schedule));
        EXPECT_THAT(validate(schedule), IsEmpty());
        EXPECT_GT(make_timetable(schedule).makespan(), 0);
      }
    }
  }
}

TEST(RegistryTest, TakesNamesInUpperOrLowerCase) {
  EXPECT_EQ(make_schedule("GPipe", {.ranks = 2, .micro_batches = 2}).name, "gpipe");
  EXPECT_EQ(make_schedule("1F1B", {.ranks = 2, .micro_batches = 2}).name, "1f1b");
  EXPECT_EQ(make_schedule("Forward-Only", {.ranks = 2, .micro_batches = 2}).name, "forward-only");
}

TEST(RegistryTest, NamesTheSchedulesThereAreWhenAskedForAnother) {
  EXPECT_THAT(error_of("gpip", {.ranks = 2, .micro_batches = 2}),
              HasSubstr("no schedule \"gpip\"; there are gpipe, 1f1b, forward-only"));
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
