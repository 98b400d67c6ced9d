#include "lockflight/comm/transport.h"

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

using test::message_of;
using test::on_ranks;
using test::TransportMode;
using test::upload;

class TransportTest : public ::testing::TestWithParam<TransportMode> {
 protected:
  void SetUp() override { test::need(GetParam().device); }

  static World make_world(int ranks) { return test::make_world(ranks, GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(On, TransportTest, ::testing::ValuesIn(test::all_modes()),
                         [](const auto& test) { return test.param.name; });

TEST_P(TransportTest, CopiesWhatIsSent) {
  World world = make_world(2);
  std::vector<float> received(3);
  on_ranks(2, [&](int rank) {
    world.transport(rank).connect(
        {.edges = {{.peer = 1 - rank, .channel = 4, .sends = rank == 0}}});
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    Tensor tensor =
        upload(*stream, rank == 0 ? std::vector<float>{1, 2, 3} : std::vector<float>{0, 0, 0});
    const Route route{.peer = 1 - rank, .channel = 4, .tag = 7};
    if (rank == 0) {
      world.transport(0).send(*stream, tensor, route);
    } else {
      world.transport(1).recv(*stream, tensor, route);
      stream->download(received.data(), tensor);
    }
    world.device(rank).synchronize();
  });
  EXPECT_EQ(received, (std::vector<float>{1, 2, 3}));
}

TEST_P(TransportTest, MatchesAChannelInOrderAndChannelsIndependently) {
  constexpr int kCount = 20;
  World world = make_world(2);
  std::vector<std::vector<float>> received(2, std::vector<float>(kCount));
  on_ranks(2, [&](int rank) {
    world.transport(rank).connect(
        {.edges = {{.peer = 1 - rank, .channel = 0, .sends = rank == 0},
                   {.peer = 1 - rank, .channel = 1, .sends = rank == 0}}});
    std::vector<std::unique_ptr<Stream>> streams;
    std::vector<Tensor> tensors;
    for (int channel = 0; channel < 2; ++channel) {
      streams.push_back(world.device(rank).make_stream(StreamRole::transfer));
    }
    for (int i = 0; i < kCount; ++i) {
      for (int c = 0; c < 2; ++c) {
        const int channel = (c + rank) % 2;
        tensors.push_back(
            upload(*streams[channel], {static_cast<float>(rank == 0 ? 100 * channel + i : -1)}));
      }
    }
    for (int i = 0; i < kCount; ++i) {
      for (int c = 0; c < 2; ++c) {
        const int channel =
            (c + rank) % 2;  // the two ranks enqueue the channels in opposite orders
        Stream& stream = *streams[channel];
        const Tensor& tensor = tensors[2 * i + c];
        const Route route{.peer = 1 - rank, .channel = channel, .tag = i};
        if (rank == 0) {
          world.transport(0).send(stream, tensor, route);
        } else {
          world.transport(1).recv(stream, tensor, route);
          stream.download(&received[channel][i], tensor);
        }
      }
    }
    world.device(rank).synchronize();
  });
  std::vector<float> expected(kCount);
  std::iota(expected.begin(), expected.end(), 0.0F);
  EXPECT_EQ(received[0], expected);
  std::iota(expected.begin(), expected.end(), 100.0F);
  EXPECT_EQ(received[1], expected);
}

TEST_P(TransportTest, HoldsTheSendersStreamUntilTheReceiverHasCome) {
  World world = make_world(2);
  on_ranks(2, [&](int rank) {
    world.transport(rank).connect({.edges = {{.peer = 1 - rank, .sends = rank == 0}}});
  });
  const auto sender = world.device(0).make_stream(StreamRole::transfer);
  const auto receiver = world.device(1).make_stream(StreamRole::transfer);
  const Tensor from = upload(*sender, {5});
  const Tensor to = upload(*receiver, {0});
  std::int64_t sent_ns = 0;
  std::int64_t asked_ns = 0;
  world.transport(0).send(*sender, from, {.peer = 1});
  sender->time(&sent_ns);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(5));  // time for a buffered transport to betray itself
  receiver->time(&asked_ns);
  world.transport(1).recv(*receiver, to, {.peer = 0});
  world.device(0).synchronize();
  world.device(1).synchronize();
  EXPECT_GT(sent_ns, asked_ns);
}

TEST_P(TransportTest, AddsUpInTheOrderOfTheMembers) {
  // In f32 (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: only one order gives 0 for the second
  // element.
  const std::vector<std::vector<float>> given = {{1, 1e8F, 0}, {2, 1, 0.25F}, {4, -1e8F, 0.5F}};
  World world = make_world(3);
  std::vector<std::vector<float>> sums(3, std::vector<float>(3));
  on_ranks(3, [&](int rank) {
    world.transport(rank).connect({.groups = {{.members = {0, 1, 2}, .channel = 0}}});
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    for (int round = 0; round < 3; ++round) {
      const Tensor tensor = upload(*stream, given[rank]);
      world.transport(rank).all_reduce(*stream, tensor, {0, 1, 2}, 0);
      stream->download(sums[rank].data(), tensor);
      world.device(rank).synchronize();
      EXPECT_EQ(sums[rank], (std::vector<float>{7, 0, 0.75F}));
    }
  });
}

// A part of a model that is there twice is added up so, one parameter after another; the last
// rank's host comes when those of the others have gone through.
TEST_P(TransportTest, AddsUpOneAfterAnotherHoweverFarAheadAHostIs) {
  constexpr int kRanks = 3;
  constexpr std::size_t kSums = 4;
  World world = make_world(kRanks);
  on_ranks(kRanks, [&](int rank) {
    Transport& transport = world.transport(rank);
    transport.connect({.groups = {{.members = {0, 1, 2}, .channel = 0}}});
    const auto stream = world.device(rank).make_stream(StreamRole::transfer);
    std::vector<Tensor> tensors;
    std::vector<std::vector<float>> sums;
    for (std::size_t i = 0; i < kSums; ++i) {
      sums.emplace_back(i + 1, static_cast<float>(rank + 1));
      tensors.push_back(upload(*stream, sums.back()));
    }
    if (rank == kRanks - 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    for (const Tensor& tensor : tensors) {
      transport.all_reduce(*stream, tensor, {0, 1, 2}, 0);
    }
    for (std::size_t i = 0; i < kSums; ++i) {
      stream->download(sums[i].data(), tensors[i]);
    }
    world.device(rank).synchronize();
    for (std::size_t i = 0; i < kSums; ++i) {
      EXPECT_EQ(sums[i], std::vector<float>(i + 1, 6.0F)) << "rank " << rank;
    }
  });
}

// All but one or two of the threads sleep at any time, and each looks for a deadlock before it
// does.
TEST_P(TransportTest, NobodyIsTakenForLostWhileATokenGoesRound) {
  constexpr int kRanks = 4;
  const int kRounds = GetParam().device == DeviceKind::cpu ? 400 : 20;
  World world = make_world(kRanks);
  std::vector<std::string> failures(kRanks);
  on_ranks(kRanks, [&](int rank) {
    Device& device = world.device(rank);
    const auto from_left = device.make_stream(StreamRole::transfer);
    const auto to_right = device.make_stream(StreamRole::transfer);
    const auto received = device.make_event();
    const auto sent = device.make_event();
    const Tensor token = upload(*from_left, {1});
    const int left = (rank + kRanks - 1) % kRanks;
    const int right = (rank + 1) % kRanks;
    world.transport(rank).connect({.edges = {{.peer = left, .channel = left, .sends = false},
                                             {.peer = right, .channel = rank, .sends = true}}});
    for (int round = 0; round < kRounds; ++round) {
      if (rank > 0 || round > 0) {
        from_left->wait(*sent);
        world.transport(rank).recv(*from_left, token, {.peer = left, .channel = left, .tag = 0});
        from_left->record(*received);
        to_right->wait(*received);
      }
      if (rank < kRanks - 1 || round < kRounds - 1) {
        world.transport(rank).send(*to_right, token, {.peer = right, .channel = rank, .tag = 0});
        to_right->record(*sent);
      }
    }
    failures[rank] = message_of(device);
  });
  EXPECT_THAT(failures, testing::Each("no failure"));
}

}  // namespace
}  // namespace lockflight
