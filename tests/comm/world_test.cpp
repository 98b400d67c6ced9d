#include "lockflight/comm/world.h"

#include <gtest/gtest.h>

namespace lockflight {
namespace {

TEST(WorldTest, HasADeviceAndATransportForEveryRank) {
  World world = World::threads({.ranks = 3});
  ASSERT_EQ(world.ranks(), 3);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(world.device(rank).kind(), DeviceKind::cpu);
    EXPECT_EQ(world.transport(rank).rank(), rank);
    EXPECT_EQ(world.transport(rank).ranks(), 3);
  }
}

TEST(WorldTest, NeedsARankAThreadAndADeadline) {
  EXPECT_THROW(World::threads({.ranks = 0}), InvalidArgument);
  EXPECT_THROW(World::threads({.ranks = 1, .threads_per_rank = 0}), InvalidArgument);
  EXPECT_THROW(World::threads({.ranks = 1, .deadline = std::chrono::milliseconds(0)}),
               InvalidArgument);
}

}  // namespace
}  // namespace lockflight
