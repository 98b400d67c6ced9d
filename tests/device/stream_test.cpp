// Streams and events of the CPU device, whoever runs them.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/gate.h"
#include "device/modes.h"
#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/launch.h"

namespace lockflight {
namespace {

class StreamTest : public testing::TestWithParam<Mode> {
 protected:
  std::unique_ptr<Stream> make_stream(StreamRole role = StreamRole::compute) {
    return device_->make_stream(role);
  }

  static void run(Stream& stream, std::function<void()> kernel) {
    cpu::launch(stream, {.name = "test"},
                [kernel = std::move(kernel)](cpu::Team& /*team*/) { kernel(); });
  }

  const std::unique_ptr<Device> device_ = make_cpu_device(GetParam().options());
};

INSTANTIATE_TEST_SUITE_P(Modes, StreamTest, testing::ValuesIn(all_modes()), mode_name);

TEST_P(StreamTest, AStreamRunsInTheOrderOfTheCalls) {
  constexpr int kTasks = 100;
  const std::unique_ptr<Stream> streams[] = {make_stream(), make_stream(StreamRole::transfer),
                                             make_stream()};
  std::vector<int> ran[3];  // plain: one stream, one order
  for (int task = 0; task < kTasks; ++task) {
    for (int s = 0; s < 3; ++s) {
      run(*streams[s], [&ran, s, task] { ran[s].push_back(task); });
    }
  }
  device_->synchronize();
  std::vector<int> expected(kTasks);
  std::iota(expected.begin(), expected.end(), 0);
  for (const std::vector<int>& order : ran) {
    EXPECT_EQ(order, expected);
  }
}

TEST_P(StreamTest, NothingRunsOnTheCallersThread) {
  const auto stream = make_stream();
  std::thread::id thread;
  run(*stream, [&thread] { thread = std::this_thread::get_id(); });
  device_->synchronize();
  EXPECT_NE(thread, std::thread::id());
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_P(StreamTest, EnqueueingDoesNotWait) {
  const auto stream = make_stream();
  const auto event = device_->make_event();
  const Tensor tensor = device_->empty({{1}});
  const float from = 1;
  float to = 0;
  std::int64_t nanoseconds = 0;
  Gate gate;
  gate.hold(*stream);
  run(*stream, [] {});
  stream->upload(tensor, &from);
  stream->record(*event);
  stream->wait(*event);
  stream->time(&nanoseconds);
  stream->download(&to, tensor);
  EXPECT_EQ(to, 0);
  gate.open();
  device_->synchronize();
  EXPECT_EQ(to, 1);
}

TEST_P(StreamTest, UploadsAndDownloadsTheTensorsBytes) {
  const auto stream = make_stream();
  const Tensor tensor = device_->empty({{3, 5}});
  std::vector<float> from(16);
  std::iota(from.begin(), from.end(), 1.0F);
  std::vector<float> to(16, -1.0F);
  stream->upload(tensor, from.data());
  stream->download(to.data(), tensor);
  device_->synchronize();
  EXPECT_EQ(std::vector(to.begin(), to.end() - 1), std::vector(from.begin(), from.end() - 1));
  EXPECT_EQ(to.back(), -1.0F);
}

TEST_P(StreamTest, AWaitHoldsTheStreamUntilTheRecord) {
  const auto first = make_stream();
  const auto second = make_stream();
  const auto event = device_->make_event();
  int value = 0;  // plain: the event orders it
  int seen = -1;
  Gate gate;
  gate.hold(*first);
  run(*first, [&value] { value = 7; });
  first->record(*event);
  second->wait(*event);
  run(*second, [&] { seen = value; });
  gate.open();
  device_->synchronize();
  EXPECT_EQ(seen, 7);
}

TEST_P(StreamTest, AWaitForAnEventThatWasNeverRecordedHasNoEffect) {
  const auto first = make_stream();
  const auto second = make_stream();
  const auto event = device_->make_event();
  Gate gate;
  second->wait(*event);
  gate.hold(*first);
  first->record(*event);  // too late to matter
  run(*second, [&gate] { gate.open(); });
  device_->synchronize();
}

TEST_P(StreamTest, AWaitRefersToTheLatestRecordAtTheTimeOfTheCall) {
  const auto first = make_stream();
  const auto second = make_stream();
  const auto event = device_->make_event();
  Gate gate;
  first->record(*event);
  second->wait(*event);
  gate.hold(*first);
  first->record(*event);  // later than the wait: it must not hold the second stream
  run(*second, [&gate] { gate.open(); });
  device_->synchronize();
}

TEST_P(StreamTest, AWaitAfterTwoRecordsIsForTheSecond) {
  const auto first = make_stream();
  const auto second = make_stream();
  const auto event = device_->make_event();
  int value = 0;
  int seen = -1;
  Gate gate;
  first->record(*event);
  gate.hold(*first);
  run(*first, [&value] { value = 2; });
  first->record(*event);
  second->wait(*event);
  run(*second, [&] { seen = value; });
  gate.open();
  device_->synchronize();
  EXPECT_EQ(seen, 2);
}

TEST_P(StreamTest, ARecordOnAnotherStreamDoesNotPassForAnEarlierOne) {
  const auto first = make_stream();
  const auto second = make_stream();
  const auto third = make_stream();
  const auto event = device_->make_event();
  int value = 0;
  int seen = -1;
  Gate gate;
  gate.hold(*first);
  run(*first, [&value] { value = 3; });
  first->record(*event);
  second->wait(*event);
  run(*second, [&] { seen = value; });
  third->record(*event);  // passed long before the first
  run(*third, [&gate] { gate.open(); });
  device_->synchronize();
  EXPECT_EQ(seen, 3);
  third->wait(*event);  // and the first, passed last, does not undo it
  device_->synchronize();
}

TEST_P(StreamTest, AnEventMayEndBeforeItsWaitIsPassed) {
  const auto first = make_stream();
  const auto second = make_stream();
  Gate gate;
  {
    const auto event = device_->make_event();
    gate.hold(*first);
    first->record(*event);
    second->wait(*event);
  }
  gate.open();
  device_->synchronize();
}

TEST_P(StreamTest, TimesGrowAlongAStream) {
  constexpr std::size_t kMarks = 50;
  const auto stream = make_stream();
  std::vector<std::int64_t> times(kMarks, -1);
  for (std::int64_t& time : times) {
    stream->time(&time);
  }
  device_->synchronize();
  EXPECT_GE(times.front(), 0);
  EXPECT_TRUE(std::ranges::is_sorted(times));
}

TEST_P(StreamTest, AStreamMayEndWithWorkLeft) {
  std::atomic<int> ran = 0;
  {
    const auto stream = make_stream();
    for (int task = 0; task < 50; ++task) {
      run(*stream, [&ran] { ++ran; });
    }
  }
  device_->synchronize();
  EXPECT_EQ(ran, 50);
}

TEST_P(StreamTest, SynchronizeWithoutWorkReturns) {
  device_->synchronize();
  const auto stream = make_stream();
  device_->synchronize();
}

TEST_P(StreamTest, WaitingForAnEventWaitsForNothingElse) {
  const auto event = device_->make_event();
  device_->synchronize(*event);  // it was never recorded
  const auto held = make_stream();
  const auto stream = make_stream(StreamRole::transfer);
  for (int round = 1; round <= 20; ++round) {
    Gate gate;
    gate.hold(*held);
    int ran = 0;  // plain: the host reads it after the event alone
    for (int i = 0; i < round; ++i) {
      run(*stream, [&ran] { ++ran; });
    }
    stream->record(*event);
    device_->synchronize(*event);
    EXPECT_EQ(ran, round);
    gate.open();
    device_->synchronize();
  }
}

TEST_P(StreamTest, WaitingForAnEventEndsWithTheDevicesFailure) {
  const auto stream = make_stream();
  const auto event = device_->make_event();
  Gate gate("the gate");
  gate.hold(*stream);
  stream->record(*event);
  EXPECT_THAT([&] { device_->synchronize(*event); },
              testing::ThrowsMessage<TransportError>(testing::AllOf(
                  testing::HasSubstr("nobody can ever arrive"), testing::HasSubstr("the gate"))));
  EXPECT_THROW(device_->synchronize(*event), TransportError);
  EXPECT_THROW(device_->synchronize(), TransportError);
}

TEST_P(StreamTest, ClosuresAreFreedOnceTheyHaveRun) {
  const auto stream = make_stream();
  const auto held = std::make_shared<int>(1);
  run(*stream, [held] {});
  device_->synchronize();
  EXPECT_EQ(held.use_count(), 1);
}

// A random program, and what must happen before each of its kernels.
//
// The model keeps for each stream and each record a vector clock: how many kernels of every stream
// come before.  Every kernel reads the plain cells of the last kernel of each stream that comes
// before it, so ThreadSanitizer sees an order that is missing, and compares them.
class RandomProgram {
 public:
  RandomProgram(Device& device, std::uint64_t seed) : device_(device), random_({.seed = seed}) {
    for (std::size_t s = 0; s < kStreams; ++s) {
      streams_.push_back(device.make_stream(s == 0 ? StreamRole::compute : StreamRole::transfer));
    }
    for (std::size_t e = 0; e < kEvents; ++e) {
      events_.push_back(device.make_event());
    }
    before_.assign(kStreams, Clock(kStreams, 0));
    recorded_.assign(kEvents, Clock(kStreams, 0));
    cells_.assign(kStreams, std::vector<std::uint64_t>(kTasks, 0));
  }

  // Returns how many kernels did not see what must have come before.
  int run() {
    for (std::size_t task = 0; task < kTasks; ++task) {
      const std::size_t s = random_.next_below(kStreams);
      const std::size_t e = random_.next_below(kEvents);
      switch (random_.next_below(4)) {
        case 0:
          streams_[s]->record(*events_[e]);
          recorded_[e] = before_[s];
          break;
        case 1:
          streams_[s]->wait(*events_[e]);
          for (std::size_t other = 0; other < kStreams; ++other) {
            before_[s][other] = std::max(before_[s][other], recorded_[e][other]);
          }
          break;
        default:
          add_kernel(s);
      }
    }
    device_.synchronize();
    return wrong_;
  }

 private:
  static constexpr std::size_t kStreams = 4;
  static constexpr std::size_t kEvents = 5;
  static constexpr std::size_t kTasks = 150;
  using Clock = std::vector<std::size_t>;

  void add_kernel(std::size_t s) {
    cpu::launch(*streams_[s], {.name = "kernel"},
                [this, s, before = before_[s]](cpu::Team& /*team*/) {
                  for (std::size_t other = 0; other < kStreams; ++other) {
                    if (before[other] > 0 && cells_[other][before[other] - 1] != before[other]) {
                      ++wrong_;
                    }
                  }
                  cells_[s][before[s]] = before[s] + 1;
                });
    ++before_[s][s];
  }

  Device& device_;
  Random random_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Event>> events_;
  std::vector<Clock> before_;                      // per stream: kernels before its next task
  std::vector<Clock> recorded_;                    // per event: the same at its latest record
  std::vector<std::vector<std::uint64_t>> cells_;  // k-th kernel of a stream writes k + 1
  std::atomic<int> wrong_{0};
};

TEST_P(StreamTest, RandomProgramsKeepTheOrderOfStreamsAndEvents) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    EXPECT_EQ(RandomProgram(*device_, seed).run(), 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace lockflight
