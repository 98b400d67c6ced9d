#include "comm/in_process.h"

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/transport_modes.h"
#include "lockflight/comm/world.h"

namespace lockflight {
namespace {

using test::cpu_modes;
using test::message_of;
using test::on_ranks;
using test::TransportMode;
using test::upload;
using ::testing::HasSubstr;

class InProcessTest : public ::testing::TestWithParam<TransportMode> {
 protected:
  static World make_world(int ranks, std::chrono::milliseconds deadline = std::chrono::minutes(1)) {
    return test::make_world(ranks, GetParam(), deadline);
  }
};

INSTANTIATE_TEST_SUITE_P(On, InProcessTest, ::testing::ValuesIn(cpu_modes()),
                         [](const auto& test) { return test.param.name; });

TEST_P(InProcessTest, NamesBothEndsWhenSizesDiffer) {
  World world = make_world(2);
  std::vector<std::string> messages(2);
  on_ranks(2, [&](int rank) {
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    const Tensor tensor = upload(*stream, std::vector<float>(rank == 0 ? 3 : 4));
    if (rank == 0) {
      world.transport(0).send(*stream, tensor, {.peer = 1, .channel = 2});
    } else {
      world.transport(1).recv(*stream, tensor, {.peer = 0, .channel = 2});
    }
    messages[rank] = message_of(world.device(rank));
  });
  for (const std::string& message : messages) {
    EXPECT_THAT(
        message,
        HasSubstr("channel 2: rank 0 sends f32 [3] with tag 0, rank 1 expects f32 [4] with tag 0"));
  }
}

TEST_P(InProcessTest, RefusesATransferOutOfOrder) {
  World world = make_world(2);
  std::vector<std::string> messages(2);
  on_ranks(2, [&](int rank) {
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    const Tensor tensor = upload(*stream, {1});
    if (rank == 0) {
      world.transport(0).send(*stream, tensor, {.peer = 1, .tag = 3});
    } else {
      world.transport(1).recv(*stream, tensor, {.peer = 0, .tag = 4});
    }
    messages[rank] = message_of(world.device(rank));
  });
  EXPECT_THAT(messages[0], HasSubstr("with tag 3, rank 1 expects"));
  EXPECT_THAT(messages[1], HasSubstr("with tag 4"));
}

TEST_P(InProcessTest, NamesEveryoneWhenNobodyCanEverArrive) {
  World world = make_world(2);
  std::vector<std::string> messages(2);
  on_ranks(2, [&](int rank) {  // both send first on one stream: a deadlock without buffers
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    const Tensor tensor = upload(*stream, {1});
    world.transport(rank).send(*stream, tensor, {.peer = 1 - rank, .channel = rank});
    world.transport(rank).recv(*stream, tensor, {.peer = 1 - rank, .channel = 1 - rank});
    messages[rank] = message_of(world.device(rank));
  });
  for (const std::string& message : messages) {
    EXPECT_THAT(message, HasSubstr("nobody can ever arrive"));
    EXPECT_THAT(message, HasSubstr("rank 0: send of 4 bytes to rank 1 on channel 0"));
    EXPECT_THAT(message, HasSubstr("rank 1: send of 4 bytes to rank 0 on channel 1"));
  }
}

TEST_P(InProcessTest, FailsAtTheDeadlineWhenThePeerNeverSends) {
  World world = make_world(2, std::chrono::milliseconds(20));
  const auto stream = world.device(1).make_stream(StreamRole::transfer);
  const Tensor tensor = upload(*stream, {1});
  world.transport(1).recv(*stream, tensor, {.peer = 0, .channel = 6, .tag = 9});
  EXPECT_EQ(message_of(world.device(1)),
            "recv of 4 bytes from rank 0 on channel 6 with tag 9 had no answer within 20 ms");
}

TEST_P(InProcessTest, AbortEndsEveryWait) {
  World world = make_world(3);
  std::vector<std::string> messages(3);
  on_ranks(3, [&](int rank) {
    if (rank == 0) {
      world.transport(0).abort("rank 0 failed: no luck");
      return;
    }
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    const Tensor tensor = world.device(rank).empty({{1}, DType::f32});
    world.transport(rank).recv(*stream, tensor, {.peer = 0});
    messages[rank] = message_of(world.device(rank));
  });
  EXPECT_EQ(messages[1], "rank 0 failed: no luck");
  EXPECT_EQ(messages[2], "rank 0 failed: no luck");
}

TEST(TransferTest, RefusesPeersAndMembersThatDoNotExist) {
  World world = World::threads({.ranks = 2});
  const auto stream = world.device(0).make_stream(StreamRole::transfer);
  const Tensor tensor = upload(*stream, {1});
  EXPECT_THROW(world.transport(0).send(*stream, tensor, {.peer = 0}), InvalidArgument);
  EXPECT_THROW(world.transport(0).recv(*stream, tensor, {.peer = 2}), InvalidArgument);
  EXPECT_THROW(world.transport(0).all_reduce(*stream, tensor, {1}, 0), InvalidArgument);
  EXPECT_THROW(world.transport(0).all_reduce(*stream, tensor, {1, 0}, 0), InvalidArgument);
  EXPECT_THROW(world.transport(0).all_reduce(*stream, tensor, {0, 2}, 0), InvalidArgument);
}

}  // namespace
}  // namespace lockflight
