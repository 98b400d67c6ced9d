#include "comm/in_process.h"

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/comm/world.h"

namespace lockflight {
namespace {

using ::testing::HasSubstr;

struct Mode {
  std::string name;
  StreamMode streams;
  std::optional<std::uint64_t> chaos_seed;
};

void PrintTo(const Mode& mode, std::ostream* out) { *out << mode.name; }

class InProcessTest : public ::testing::TestWithParam<Mode> {
 protected:
  static World make_world(int ranks, std::chrono::milliseconds deadline = std::chrono::minutes(1)) {
    return World::threads({.ranks = ranks,
                           .streams = GetParam().streams,
                           .chaos_seed = GetParam().chaos_seed,
                           .deadline = deadline});
  }
};

INSTANTIATE_TEST_SUITE_P(On, InProcessTest,
                         ::testing::Values(Mode{"worker", StreamMode::worker, {}},
                                           Mode{"threads", StreamMode::threads, {}},
                                           Mode{"chaos_worker", StreamMode::worker, 11},
                                           Mode{"chaos_threads", StreamMode::threads, 12}),
                         [](const auto& test) { return test.param.name; });

// Waits, so that the values need not outlive the call.
Tensor upload(Stream& stream, const std::vector<float>& values) {
  Tensor tensor = stream.device().empty({{static_cast<std::int64_t>(values.size())}, DType::f32});
  stream.upload(tensor, values.data());
  stream.device().synchronize();
  return tensor;
}

std::string message_of(Device& device) {
  try {
    device.synchronize();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no failure";
}

// Calls work(rank) on a thread per rank and waits for all.
void on_ranks(int ranks, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back(work, rank);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_P(InProcessTest, CopiesWhatIsSent) {
  World world = make_world(2);
  std::vector<float> received(3);
  on_ranks(2, [&](int rank) {
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

TEST_P(InProcessTest, MatchesAChannelInOrderAndChannelsIndependently) {
  constexpr int kCount = 20;
  World world = make_world(2);
  std::vector<std::vector<float>> received(2, std::vector<float>(kCount));
  on_ranks(2, [&](int rank) {
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

TEST_P(InProcessTest, HoldsTheSendersStreamUntilTheReceiverHasCome) {
  World world = make_world(2);
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

TEST_P(InProcessTest, AddsUpInTheOrderOfTheMembers) {
  // In f32 (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: only one order gives 0 for the second
  // element.
  const std::vector<std::vector<float>> given = {{1, 1e8F, 0}, {2, 1, 0.25F}, {4, -1e8F, 0.5F}};
  World world = make_world(3);
  std::vector<std::vector<float>> sums(3, std::vector<float>(3));
  on_ranks(3, [&](int rank) {
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

// All but one or two of the threads sleep at any time, and each looks for a deadlock before it
// does.
TEST_P(InProcessTest, NobodyIsTakenForLostWhileATokenGoesRound) {
  constexpr int kRanks = 4;
  constexpr int kRounds = 400;
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

TEST(TransportTest, RefusesPeersAndMembersThatDoNotExist) {
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
