#include "partition/leximax.h"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/random.h"

namespace lockflight::partition {
namespace {

// Elements drawn one by one, so that ties are frequent.
std::pair<TimeSet, std::vector<Ticks>> random_set(Random& random, int elements) {
  TimeSet set;
  std::vector<Ticks> list;
  for (int i = 0; i < elements; ++i) {
    list.push_back(static_cast<Ticks>(random.next_below(4)));
    set = TimeSet(set, list.back());
  }
  return {set, list};
}

TEST(TimeSetTest, IsOrderedLikeTheListOfItsElementsInDescendingOrder) {
  Random random({.seed = 1});
  std::int64_t steps = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int elements = static_cast<int>(random.next_below(6));
    auto [a, list_a] = random_set(random, elements);
    auto [b, list_b] = random_set(random, elements);
    list_a.push_back(static_cast<Ticks>(random.next_below(4)));
    list_b.push_back(static_cast<Ticks>(random.next_below(4)));
    const std::strong_ordering order = TimeSet::compare(a, list_a.back(), b, list_b.back(), steps);
    std::ranges::sort(list_a, std::greater<>());
    std::ranges::sort(list_b, std::greater<>());
    ASSERT_EQ(order, list_a <=> list_b)
        << testing::PrintToString(list_a) << " and " << testing::PrintToString(list_b);
  }
  EXPECT_LT(steps, 0);
}

}  // namespace
}  // namespace lockflight::partition
