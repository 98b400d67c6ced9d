#include "lockflight/plan/timeline.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "lockflight/core/random.h"

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
  EXPECT_EQ(timeline.overlapped_share(), std::nullopt);
  EXPECT_EQ(timeline.host_ns_per_action(), std::nullopt);
}

TEST(TimelineTest, DividesTheTimeOfAllHostsByTheActionsOfAllRanks) {
  const Timeline timeline{
      .ranks = 2,
      .spans = {{.rank = 0, .action = {0, ActionKind::forward, 0}},
                {.rank = 0, .stream = 1, .action = {0, ActionKind::send_forward, 0}},
                {.rank = 1, .action = {1, ActionKind::forward, 0}},
                {.rank = 1, .action = {1, ActionKind::recompute, 0}},
                {.rank = 1, .action = {1, ActionKind::backward, 0}}},
      .host_ns = {100, 140}};
  EXPECT_DOUBLE_EQ(timeline.host_ns_per_action().value(), 60);
}

// The sender comes at 100, the receiver at 250: bytes travel from then to 400.  In these 150 ns
// rank 0 computes for 50, rank 1 for 100, of which two streams share 20.
TEST(TimelineTest, CountsComputingBesideBytesThatTravelAtBothEnds) {
  const Timeline timeline{
      .ranks = 2,
      .spans = {{.rank = 0, .action = {0, ActionKind::forward, 0}, .begin_ns = 0, .end_ns = 100},
                {.rank = 0, .action = {0, ActionKind::forward, 1}, .begin_ns = 350, .end_ns = 500},
                {.rank = 0,
                 .stream = 1,
                 .action = {0, ActionKind::send_forward, 0},
                 .channel = 7,
                 .begin_ns = 100,
                 .end_ns = 390},
                {.rank = 1,
                 .stream = 1,
                 .action = {1, ActionKind::recv_forward, 0},
                 .channel = 7,
                 .begin_ns = 250,
                 .end_ns = 400},
                {.rank = 1, .action = {1, ActionKind::backward, 5}, .begin_ns = 240, .end_ns = 300},
                {.rank = 1,
                 .stream = 2,
                 .action = {1, ActionKind::forward, 5},
                 .begin_ns = 280,
                 .end_ns = 350}}};
  EXPECT_DOUBLE_EQ(timeline.overlapped_share().value(), (50 + 100) / 300.0);
}

// Tick by tick, on random intervals.
TEST(TimelineTest, OverlapIsWhatATickByTickCountSays) {
  Random random({.seed = 17});
  const auto draw = [&](int below) { return static_cast<std::int64_t>(random.next_below(below)); };
  for (int round = 0; round < 200; ++round) {
    Timeline timeline{.ranks = 3};
    for (int i = 0; i < 6; ++i) {
      const std::int64_t begin = draw(60);
      timeline.spans.push_back({.rank = static_cast<int>(draw(3)),
                                .action = {0, ActionKind::forward, i},
                                .begin_ns = begin,
                                .end_ns = begin + draw(20)});
    }
    std::int64_t whole = 0;
    std::int64_t overlapped = 0;
    for (int i = 0; i < 3; ++i) {
      const int from = static_cast<int>(draw(3));
      const int to = (from + 1) % 3;
      const std::int64_t ready = draw(60);
      const std::int64_t end = ready + draw(20);
      timeline.spans.push_back({.rank = from,
                                .stream = 1,
                                .action = {0, ActionKind::send_forward, i},
                                .channel = 4,
                                .begin_ns = ready - draw(9),
                                .end_ns = end});
      timeline.spans.push_back({.rank = to,
                                .stream = 1,
                                .action = {0, ActionKind::recv_forward, i},
                                .channel = 4,
                                .begin_ns = ready,
                                .end_ns = end - std::min(draw(3), end - ready)});
      for (std::int64_t tick = ready; tick < end; ++tick) {
        for (const int rank : {from, to}) {
          ++whole;
          overlapped += std::ranges::any_of(timeline.spans, [&](const TimelineSpan& span) {
            return span.stream == 0 && span.rank == rank && span.begin_ns <= tick &&
                   tick < span.end_ns;
          });
        }
      }
    }
    if (whole > 0) {
      EXPECT_DOUBLE_EQ(timeline.overlapped_share().value(),
                       static_cast<double>(overlapped) / static_cast<double>(whole))
          << "round " << round;
    }
  }
}

}  // namespace
}  // namespace lockflight
