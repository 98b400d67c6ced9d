#include "lockflight/schedule/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {
namespace {

using testing::ElementsAre;

TEST(PlacementTest, LoopDealsStagesOutInTurn) {
  const Placement placement = Placement::loop({.ranks = 3, .stages_per_rank = 2});
  EXPECT_EQ(placement.ranks(), 3);
  EXPECT_EQ(placement.stages(), 6);
  EXPECT_THAT(placement.stages_of(0), ElementsAre(0, 3));
  EXPECT_THAT(placement.stages_of(2), ElementsAre(2, 5));
  EXPECT_EQ(placement.rank_of(4), 1);
}

TEST(PlacementTest, VGoesDownAndUpAgain) {
  const Placement placement = Placement::v(3);
  EXPECT_EQ(placement.stages(), 6);
  EXPECT_THAT(placement.stages_of(0), ElementsAre(0, 5));
  EXPECT_THAT(placement.stages_of(1), ElementsAre(1, 4));
  EXPECT_THAT(placement.stages_of(2), ElementsAre(2, 3));
}

TEST(PlacementTest, IsOneChainInOneCopyOfTheModel) {
  for (const Placement& placement :
       {Placement::v(2), Placement({1, 1, 0}), Placement::loop({.ranks = 1})}) {
    const int last = placement.stages() - 1;
    EXPECT_EQ(placement.copies(), 1);
    EXPECT_EQ(placement.parts(), placement.stages());
    EXPECT_EQ(placement.first_copy(), placement);
    for (int stage = 0; stage <= last; ++stage) {
      EXPECT_EQ(placement.begins_copy(stage), stage == 0);
      EXPECT_EQ(placement.ends_copy(stage), stage == last);
      const auto [begin, end] = placement.micro_batches_of(stage, 7);
      EXPECT_EQ(begin, 0);
      EXPECT_EQ(end, 7);
    }
  }
}

TEST(PlacementTest, TwoWaysAreTwoChainsThatShareTheMicroBatches) {
  const Placement placement = Placement::two_way(4);
  EXPECT_NE(placement, Placement::v(4));
  EXPECT_EQ(placement.copies(), 2);
  EXPECT_EQ(placement.parts(), 4);
  EXPECT_EQ(placement.first_copy(), Placement::loop({.ranks = 4}));
  for (int part = 0; part < 4; ++part) {
    for (const int copy : {0, 1}) {
      const int stage = 4 * copy + part;
      EXPECT_EQ(placement.rank_of(stage), copy == 0 ? part : 3 - part);
      EXPECT_EQ(placement.copy_of(stage), copy);
      EXPECT_EQ(placement.part_of(stage), part);
      EXPECT_EQ(placement.begins_copy(stage), part == 0);
      EXPECT_EQ(placement.ends_copy(stage), part == 3);
      for (int micro_batch = 0; micro_batch < 10; ++micro_batch) {
        EXPECT_EQ(placement.micro_batches_of(stage, 10).contains(micro_batch),
                  (micro_batch >= 5) == (copy == 1));
      }
    }
  }
}

TEST(PlacementTest, AnyOtherMapIsGivenAsAList) {
  const Placement placement({1, 1, 0});
  EXPECT_EQ(placement.ranks(), 2);
  EXPECT_THAT(placement.stages_of(0), ElementsAre(2));
  EXPECT_THAT(placement.stages_of(1), ElementsAre(0, 1));
  EXPECT_EQ(placement, Placement({1, 1, 0}));
  EXPECT_NE(placement, Placement({1, 0, 1}));
}

TEST(PlacementTest, RefusesWhatIsNoPlacement) {
  EXPECT_THROW(Placement({0, 2, 2}), InvalidArgument);
  EXPECT_THROW(Placement({0, -1}), InvalidArgument);
  EXPECT_THROW(Placement({0, 2000000000}), InvalidArgument);
  EXPECT_THROW(Placement::loop({.ranks = 0}), InvalidArgument);
  EXPECT_THROW(Placement::loop({.ranks = 1, .stages_per_rank = 0}), InvalidArgument);
  EXPECT_THROW(Placement::v(0), InvalidArgument);
  for (const int ranks : {-2, 0, 1, 3}) {
    EXPECT_THROW(Placement::two_way(ranks), InvalidArgument) << ranks;
  }
}

}  // namespace
}  // namespace lockflight::schedule
