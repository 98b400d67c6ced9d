#include "runtime/host_rows.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockflight::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// As many as the shape has, counted up from `first`.
HostTensor counted(const Shape& shape, std::int32_t first) {
  HostTensor tensor({shape, DType::i32});
  std::iota(tensor.as<std::int32_t>().begin(), tensor.as<std::int32_t>().end(), first);
  return tensor;
}

TEST(HostRowsTest, AreCountedInTheFirstTensor) {
  EXPECT_EQ(rows_of({}), 0);
  EXPECT_EQ(rows_of({counted({}, 0)}), 0);
  EXPECT_EQ(rows_of({counted({3, 2}, 0), counted({5}, 0)}), 3);
}

TEST(HostRowsTest, AreJoinedInTheirOrderTensorByTensor) {
  std::vector<std::vector<HostTensor>> rows;
  for (const std::int32_t row : {0, 1, 2}) {
    rows.push_back({counted({1, 2}, 10 * row), counted({1}, 100 * row)});
  }
  const std::vector<HostTensor> joined = join_rows(rows);
  ASSERT_THAT(joined, SizeIs(2));
  EXPECT_EQ(joined[0].spec(), TensorSpec({{3, 2}, DType::i32}));
  EXPECT_THAT(joined[0].as<std::int32_t>(), ElementsAre(0, 1, 10, 11, 20, 21));
  EXPECT_EQ(joined[1].spec(), TensorSpec({{3}, DType::i32}));
  EXPECT_THAT(joined[1].as<std::int32_t>(), ElementsAre(0, 100, 200));
}

TEST(HostRowsTest, AreCopiedToWhereTheyWere) {
  std::vector<HostTensor> to = {counted({2}, 0), counted({1, 3}, 0)};
  const std::byte* const place = to[0].data();
  copy_bytes({counted({2}, 5), counted({1, 3}, 7)}, to);
  EXPECT_THAT(to[0].as<std::int32_t>(), ElementsAre(5, 6));
  EXPECT_THAT(to[1].as<std::int32_t>(), ElementsAre(7, 8, 9));
  EXPECT_EQ(to[0].data(), place);
}

}  // namespace
}  // namespace lockflight::runtime
