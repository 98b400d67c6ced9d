#include "lockflight/plan/timeline.h"

#include <gtest/gtest.h>

namespace lockflight {
namespace {

using schedule::ActionKind;

TEST(TimelineTest, CountsIdleTimeUpToACommonEnd) {
  // rank 0  F0F0..B0B0      rank 1  ..F0B0..  with a transfer that counts for nothing
  const Timeline timeline{
      .ranks = 2,
      .spans = {
          {.rank = 0, .action = {0, ActionKind::forward, 0}, .begin_ns = 100, .end_ns = 300},
          {.rank = 0,
           .stream = 1,
           .action = {0, ActionKind::send_forward, 0},
           .begin_ns = 0,
           .end_ns = 900},
          {.rank = 1, .action = {1, ActionKind::forward, 0}, .begin_ns = 300, .end_ns = 400},
          {.rank = 1, .action = {1, ActionKind::backward, 0}, .begin_ns = 400, .end_ns = 500},
          {.rank = 0, .action = {0, ActionKind::backward, 0}, .begin_ns = 500, .end_ns = 700}}};
  EXPECT_EQ(timeline.makespan_ns(), 600);
  EXPECT_EQ(timeline.busy_ns(0), 400);
  EXPECT_EQ(timeline.busy_ns(1), 200);
  EXPECT_DOUBLE_EQ(timeline.idle_share(), 0.5);
}

TEST(TimelineTest, OfNothingIsEmpty) {
  const Timeline timeline{.ranks = 3};
  EXPECT_EQ(timeline.makespan_ns(), 0);
  EXPECT_DOUBLE_EQ(timeline.idle_share(), 0);
}

}  // namespace
}  // namespace lockflight
