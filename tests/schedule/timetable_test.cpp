#include "lockflight/schedule/timetable.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/schedule/one_f_one_b.h"
#include "schedule/error_of.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

using testing::HasSubstr;

std::string timetable_error(const Schedule& schedule) {
  return error_of<PlanError>([&] { make_timetable(schedule); });
}

TEST(TimetableTest, BeginsEachActionWhenItsInputsAndItsRankAreReady) {
  const Schedule schedule =
      from_lines(Placement::loop({.ranks = 2}), 2, {"0F0 0F1 0I0 0I1 0W0 0W1", "1F0 1B0 1F1 1B1"});
  const Timetable timetable =
      make_timetable(schedule, {.forward = 1, .input_gradient = 2, .weight_gradient = 4});
  // rank 0   F0 F1 . . . . . . I0 I0 . . . . . I1 I1 W0 …
  // rank 1   .  F0 B0 ×6       F1 B1 ×6
  const std::vector<std::vector<double>> begins = {{0, 1, 8, 15, 17, 21}, {1, 2, 8, 9}};
  for (std::size_t rank = 0; rank < 2; ++rank) {
    for (std::size_t i = 0; i < begins[rank].size(); ++i) {
      EXPECT_EQ(timetable.rows[rank][i].begin, begins[rank][i]) << rank << " " << i;
    }
  }
  EXPECT_EQ(timetable.makespan(), 25);
  EXPECT_EQ(timetable.busy(0), 14);
  EXPECT_EQ(timetable.busy(1), 14);
  EXPECT_DOUBLE_EQ(timetable.idle_share(), 22.0 / 50);
}

TEST(TimetableTest, TakesEachStagesOwnTimes) {
  const Schedule schedule = from_lines(Placement::v(1), 1, {"0F0 1F0 1B0 0B0"});
  const std::vector<StageTimes> times = {
      {.forward = 1, .input_gradient = 2, .weight_gradient = 3},
      {.forward = 10, .input_gradient = 20, .weight_gradient = 30}};
  const Timetable timetable = make_timetable(schedule, times);
  EXPECT_EQ(timetable.rows[0][1].begin, 1);
  EXPECT_EQ(timetable.rows[0][2].begin, 11);
  EXPECT_EQ(timetable.rows[0][3].begin, 61);
  EXPECT_EQ(timetable.makespan(), 66);
  EXPECT_EQ(timetable.idle_share(), 0);
}

TEST(TimetableTest, RunsAnOverlappedPairAsOne) {
  Schedule schedule = from_lines(Placement::loop({.ranks = 1}), 2, {"0F0 0B1"});
  schedule.rows[0].insert(schedule.rows[0].begin() + 1, {parse_action("0F1"), parse_action("0B0")});
  const Timetable timetable = make_timetable(schedule);
  ASSERT_EQ(timetable.rows[0].size(), 3U);
  EXPECT_EQ(timetable.rows[0][1].begin, 1);
  EXPECT_EQ(timetable.rows[0][1].end, 4);
  EXPECT_EQ(timetable.rows[0][2].begin, 4);
}

TEST(TimetableTest, LeavesOutIdleSlotsAndTransfers) {
  Schedule schedule =
      from_lines(Placement::loop({.ranks = 2}), 1,
                 {"0F0 0SEND_F0 0RECV_B0 0B0 0REDUCE_GRAD", "1RECV_F0 1F0 1B0 1SEND_B0"});
  schedule.rows[0].insert(schedule.rows[0].begin(), Cell{});
  const Timetable timetable = make_timetable(schedule);
  EXPECT_EQ(timetable.rows[0].size(), 2U);
  EXPECT_EQ(timetable.makespan(), 6);
}

TEST(TimetableTest, NamesEveryRankThatIsStuckAndWhatItWaitsFor) {
  const Schedule schedule =
      from_lines(Placement::loop({.ranks = 2}), 2, {"0F0 0B0 0F1 0B1", "1F1 1B1 1F0 1B0"});
  EXPECT_THAT(
      timetable_error(schedule),
      HasSubstr("can never finish; rank 0 stands at 0B0, which waits for the input gradient "
                "of stage 1 for micro-batch 0; rank 1 stands at 1F1, which waits for the "
                "forward of stage 0 for micro-batch 1"));
  EXPECT_THAT(timetable_error(from_lines(Placement::loop({.ranks = 1}), 1, {"0B0 0F0"})),
              HasSubstr("rank 0 stands at 0B0, which waits for the forward of stage 0"));
  EXPECT_THAT(timetable_error(from_lines(Placement::loop({.ranks = 1}), 1, {"0F0 0W0 0I0"})),
              HasSubstr("rank 0 stands at 0W0, which waits for the input gradient of stage 0"));
}

TEST(TimetableTest, RefusesTimesAndActionsOfStagesThatAreNotThere) {
  EXPECT_THROW(make_timetable(one_f_one_b({.ranks = 2}), std::vector<StageTimes>(3)),
               InvalidArgument);
  EXPECT_THAT(timetable_error(from_lines(Placement::loop({.ranks = 1}), 1, {"0F0 1F0"})),
              HasSubstr("1F0 is of no stage among 0 to 0"));
  EXPECT_THAT(timetable_error(from_lines(Placement::loop({.ranks = 2}), 1, {"0F0"})),
              HasSubstr("1 rows, but its placement 2 ranks"));
}

// Every action in an order that some execution could have had: repeatedly one of those that are
// ready, drawn at random.
std::vector<Action> random_execution(int stages, int micro_batches, Random& random) {
  std::vector<Action> waiting;
  for (int stage = 0; stage < stages; ++stage) {
    for (int micro_batch = 0; micro_batch < micro_batches; ++micro_batch) {
      for (const ActionKind kind :
           {ActionKind::forward, ActionKind::input_gradient, ActionKind::weight_gradient}) {
        waiting.push_back({stage, kind, micro_batch});
      }
    }
  }
  std::vector<Action> done;
  const auto ready = [&](const Action& a) {
    const auto ran = [&](int stage, ActionKind kind) {
      return stage < 0 || stage == stages ||
             std::ranges::find(done, Action{stage, kind, a.micro_batch}) != done.end();
    };
    switch (a.kind) {
      case ActionKind::forward:
        return ran(a.stage - 1, a.kind);
      case ActionKind::input_gradient:
        return ran(a.stage, ActionKind::forward) && ran(a.stage + 1, a.kind);
      default:
        return ran(a.stage, ActionKind::input_gradient);
    }
  };
  while (!waiting.empty()) {
    const std::size_t i = random.next_below(waiting.size());
    if (ready(waiting[i])) {
      done.push_back(waiting[i]);
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return done;
}

TEST(TimetableTest, IsTheLongestPathToEachActionOfARandomOrder) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random({.seed = seed});
    const int ranks = 1 + static_cast<int>(random.next_below(4));
    const Placement placement = random.next_below(2) == 0
                                    ? Placement::v(ranks)
                                    : Placement::loop({.ranks = ranks, .stages_per_rank = 2});
    const int micro_batches = 1 + static_cast<int>(random.next_below(4));
    std::vector<StageTimes> times;
    for (int stage = 0; stage < placement.stages(); ++stage) {
      const auto time = [&] { return static_cast<double>(1 + random.next_below(9)); };
      times.push_back({.forward = time(), .input_gradient = time(), .weight_gradient = time()});
    }
    const std::vector<Action> execution =
        random_execution(placement.stages(), micro_batches, random);

    // In the order of the execution every input's end is known when it is asked for.
    Schedule schedule{"random", micro_batches, placement, std::vector<std::vector<Cell>>(ranks)};
    std::vector<double> clock(ranks, 0.0);
    std::vector<std::vector<double>> forward_end(placement.stages(),
                                                 std::vector<double>(micro_batches));
    auto gradient_end = forward_end;
    std::vector<std::vector<double>> expected_ends(ranks);
    for (const Action& a : execution) {
      const int rank = placement.rank_of(a.stage);
      const StageTimes& t = times[a.stage];
      double end = clock[rank];
      if (a.kind == ActionKind::forward) {
        end = std::max(end, a.stage == 0 ? 0 : forward_end[a.stage - 1][a.micro_batch]) + t.forward;
        forward_end[a.stage][a.micro_batch] = end;
      } else if (a.kind == ActionKind::input_gradient) {
        const bool last = a.stage + 1 == placement.stages();
        end = std::max(end, last ? 0 : gradient_end[a.stage + 1][a.micro_batch]) + t.input_gradient;
        gradient_end[a.stage][a.micro_batch] = end;
      } else {
        end += t.weight_gradient;
      }
      clock[rank] = end;
      expected_ends[rank].push_back(end);
      schedule.rows[rank].push_back({a});
    }

    const Timetable timetable = make_timetable(schedule, times);
    for (int rank = 0; rank < ranks; ++rank) {
      ASSERT_EQ(timetable.rows[rank].size(), expected_ends[rank].size());
      for (std::size_t i = 0; i < expected_ends[rank].size(); ++i) {
        EXPECT_EQ(timetable.rows[rank][i].end, expected_ends[rank][i]);
      }
    }
    EXPECT_EQ(timetable.makespan(), std::ranges::max(clock));
  }
}

}  // namespace
}  // namespace lockflight::schedule
