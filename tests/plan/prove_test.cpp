#include "lockflight/plan/prove.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/lower.h"
#include "lockflight/schedule/registry.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string text_of(const Proof& proof) {
  std::string text;
  for (const Finding& finding : proof.findings) {
    text += to_string(finding.kind) + ": " + to_string(finding) + "\n";
  }
  return text;
}

TEST(ProveTest, AcceptsEveryLoweredSchedule) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (int ranks = 1; ranks <= 5; ++ranks) {
      for (const int micro_batches : {1, 2, 3, 7}) {
        for (const bool tied : {false, true}) {
          const Program program =
              lower(make_schedule(info.name, {.ranks = ranks, .micro_batches = micro_batches}),
                    tied ? std::vector<TiedStages>{{.first = 0, .second = ranks - 1}}
                         : std::vector<TiedStages>{});
          EXPECT_EQ(text_of(prove(program)), "")
              << info.name << " p" << ranks << " m" << micro_batches << (tied ? " tied" : "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace lockflight::plan
