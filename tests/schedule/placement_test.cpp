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
}

}  // namespace
}  // namespace lockflight::schedule
