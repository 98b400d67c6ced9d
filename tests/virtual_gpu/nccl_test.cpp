// NCCL between virtual devices: what it does, and what it reports.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kSize = 100;

/// One rank of a test, on the device of its number.
struct Rank {
  explicit Rank(int device) : number(device) {}
  ~Rank() {
    if (comm != nullptr) {
      ncclCommDestroy(comm);
    }
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  struct Current {
    explicit Current(int device) { check(cudaSetDevice(device)); }
  };
  int number;
  Current current{number};
  Stream stream;
  DeviceArray<float> x{std::vector<float>(kSize, static_cast<float>(number + 1))};
  DeviceArray<float> y{std::vector<float>(kSize, -1)};
  ncclComm_t comm = nullptr;

  ncclResult_t send(int peer) {
    return ncclSend(x.data(), kSize, ncclFloat32, peer, comm, stream.get());
  }
  ncclResult_t receive(int peer) {
    return ncclRecv(y.data(), kSize, ncclFloat32, peer, comm, stream.get());
  }
};

class NcclTest : public OnVirtualGpu {
 protected:
  void SetUp() override {
    OnVirtualGpu::SetUp();
    virtual_gpu::set_patience(100ms);
  }

  /// So many ranks, all of this thread, with a communicator among them.
  void make(int count) {
    std::vector<ncclComm_t> comms(count);
    ASSERT_EQ(ncclCommInitAll(comms.data(), count, nullptr), ncclSuccess);
    for (int i = 0; i < count; ++i) {
      ranks_.push_back(std::make_unique<Rank>(i));
      ranks_.back()->comm = comms[i];
    }
  }
  /// The same, and every rank has sent to every other one before.
  void make_connected(int count) {
    make(count);
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    for (int from = 0; from < count; ++from) {
      for (int to = 0; to < count; ++to) {
        ASSERT_EQ(rank(from).send(to), ncclSuccess);
        ASSERT_EQ(rank(to).receive(from), ncclSuccess);
      }
    }
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
    finish();
  }
  Rank& rank(int number) { return *ranks_.at(number); }
  /// What the streams say in the end.
  std::vector<cudaError_t> finish() {
    std::vector<cudaError_t> all;
    for (const auto& rank : ranks_) {
      all.push_back(poll(rank->stream.get()));
    }
    return all;
  }

  std::vector<std::unique_ptr<Rank>> ranks_;
};

TEST_F(NcclTest, SendsToItsNeighbour) {
  make_connected(3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    ASSERT_EQ(rank(i).send((i + 1) % 3), ncclSuccess);
    ASSERT_EQ(rank(i).receive((i + 2) % 3), ncclSuccess);
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  }
  EXPECT_THAT(finish(), Each(cudaSuccess));
  EXPECT_THAT(rank(0).y.read(), Each(3));
  EXPECT_THAT(rank(1).y.read(), Each(1));
  EXPECT_THAT(rank(2).y.read(), Each(2));
}

TEST_F(NcclTest, SumsOverRanks) {
  make(4);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  for (const auto& r : ranks_) {
    ASSERT_EQ(ncclAllReduce(r->x.data(), r->y.data(), kSize, ncclFloat32, ncclSum, r->comm,
                            r->stream.get()),
              ncclSuccess);
  }
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_THAT(finish(), Each(cudaSuccess));
  for (const auto& r : ranks_) {
    EXPECT_THAT(r->y.read(), Each(1 + 2 + 3 + 4));
  }
}

TEST_F(NcclTest, GathersInPlace) {
  make(2);
  check(cudaSetDevice(0));
  const DeviceArray<float> first(std::vector<float>{1, 2, 0, 0});
  check(cudaSetDevice(1));
  const DeviceArray<float> second(std::vector<float>{0, 0, 3, 4});
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  ASSERT_EQ(
      ncclAllGather(first.data(), first.data(), 2, ncclFloat32, rank(0).comm, rank(0).stream.get()),
      ncclSuccess);
  ASSERT_EQ(ncclAllGather(second.data() + 2, second.data(), 2, ncclFloat32, rank(1).comm,
                          rank(1).stream.get()),
            ncclSuccess);
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_THAT(finish(), Each(cudaSuccess));
  EXPECT_THAT(first.read(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(second.read(), ElementsAre(1, 2, 3, 4));
}

// Ranks as threads, as a runtime has them.
TEST_F(NcclTest, ThreadsMeetByAnId) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  const auto run = [&id](int number) {
    Rank r(number);
    ASSERT_EQ(ncclCommInitRank(&r.comm, 2, id, number), ncclSuccess);
    int count = 0;
    int rank = 0;
    int device = 0;
    EXPECT_EQ(ncclCommCount(r.comm, &count), ncclSuccess);
    EXPECT_EQ(ncclCommUserRank(r.comm, &rank), ncclSuccess);
    EXPECT_EQ(ncclCommCuDevice(r.comm, &device), ncclSuccess);
    EXPECT_THAT((std::vector{count, rank, device}), ElementsAre(2, number, number));
    if (number == 0) {
      ASSERT_EQ(r.send(1), ncclSuccess);
    } else {
      ASSERT_EQ(r.receive(0), ncclSuccess);
    }
    EXPECT_EQ(poll(r.stream.get()), cudaSuccess);
    EXPECT_THAT(r.y.read(), Each(number == 0 ? -1 : 1));
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

ncclResult_t ask(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  EXPECT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
  return state;
}

TEST_F(NcclTest, ACommunicatorThatDoesNotBlockIsAskedFor) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.minCTAs = 1;
  config.maxCTAs = 2;
  Rank a(0);
  ASSERT_EQ(ncclCommInitRankConfig(&a.comm, 2, id, 0, &config), ncclInProgress);
  EXPECT_EQ(ask(a.comm), ncclInProgress);
  EXPECT_EQ(a.send(1), ncclInvalidArgument);
  EXPECT_THAT(reported_kinds(), ElementsAre("nccl misuse"));
  Rank b(1);
  ASSERT_EQ(ncclCommInitRankConfig(&b.comm, 2, id, 1, &config), ncclInProgress);
  EXPECT_EQ(ask(a.comm), ncclSuccess);
  EXPECT_EQ(ask(b.comm), ncclSuccess);

  // A first transfer is in progress until the other end has come.
  EXPECT_EQ(a.send(1), ncclInProgress);
  EXPECT_EQ(ask(a.comm), ncclInProgress);
  EXPECT_EQ(b.receive(0), ncclInProgress);
  EXPECT_EQ(ask(a.comm), ncclSuccess);
  EXPECT_EQ(ask(b.comm), ncclSuccess);
  EXPECT_EQ(poll(b.stream.get()), cudaSuccess);
  EXPECT_THAT(b.y.read(), Each(1));

  EXPECT_EQ(ncclCommFinalize(a.comm), ncclInProgress);
  EXPECT_EQ(ask(a.comm), ncclSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(NcclTest, SplitsByColorAndKey) {
  make(4);
  std::vector<ncclComm_t> parts(4);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  for (int i = 0; i < 4; ++i) {
    const int color = i == 3 ? NCCL_SPLIT_NOCOLOR : 7;
    ASSERT_EQ(ncclCommSplit(rank(i).comm, color, -i, &parts[i], nullptr), ncclSuccess);
  }
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_EQ(parts[3], nullptr);
  for (int i = 0; i < 3; ++i) {
    int number = -1;
    EXPECT_EQ(ncclCommUserRank(parts[i], &number), ncclSuccess);
    EXPECT_EQ(number, 2 - i);
    EXPECT_EQ(ncclCommDestroy(parts[i]), ncclSuccess);
  }
}

TEST_F(NcclTest, ASendWithoutAReceiveIsReported) {
  make_connected(2);
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  EXPECT_THAT(finish(), ElementsAre(cudaErrorLaunchTimeout, cudaSuccess));
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text,
              HasSubstr("waits for a matching ncclRecv for ncclSend (communicator 1, rank 0 of 2, "
                        "to rank 1, 100 float32)"));
}

TEST_F(NcclTest, TransfersOfUnlikeSizeOrTypeAreReported) {
  make_connected(2);
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  ASSERT_EQ(
      ncclRecv(rank(1).y.data(), kSize - 1, ncclFloat32, 0, rank(1).comm, rank(1).stream.get()),
      ncclSuccess);
  finish();
  EXPECT_THAT(reported_kinds(), ElementsAre("nccl mismatch"));
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  ASSERT_EQ(ncclRecv(rank(1).y.data(), kSize, ncclInt32, 0, rank(1).comm, rank(1).stream.get()),
            ncclSuccess);
  finish();
  EXPECT_THAT(reported_kinds(), ElementsAre("nccl mismatch"));
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  ASSERT_EQ(rank(1).receive(0), ncclSuccess);
  finish();
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

// Two messages of unlike size, received in the other order.
TEST_F(NcclTest, SwappedTransfersAreReported) {
  make_connected(2);
  const auto run = [&](bool planted) {
    ASSERT_EQ(rank(0).send(1), ncclSuccess);
    ASSERT_EQ(ncclSend(rank(0).x.data(), 10, ncclFloat32, 1, rank(0).comm, rank(0).stream.get()),
              ncclSuccess);
    for (const std::size_t count : planted ? std::vector{10, kSize} : std::vector{kSize, 10}) {
      ASSERT_EQ(
          ncclRecv(rank(1).y.data(), count, ncclFloat32, 0, rank(1).comm, rank(1).stream.get()),
          ncclSuccess);
    }
    finish();
  };
  run(true);
  EXPECT_THAT(reported_kinds(), ElementsAre("nccl mismatch", "nccl mismatch"));
  run(false);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

// Both ranks send first, each on its one stream.
TEST_F(NcclTest, TransfersThatCrossAreReportedUnlessTheyShareAGroup) {
  make_connected(2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    ASSERT_EQ(rank(i).send(1 - i), ncclSuccess);
    ASSERT_EQ(rank(i).receive(1 - i), ncclSuccess);
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  }
  EXPECT_THAT(finish(), Each(cudaSuccess));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(rank(i).send(1 - i), ncclSuccess);
    ASSERT_EQ(rank(i).receive(1 - i), ncclSuccess);
  }
  EXPECT_THAT(finish(), Each(cudaErrorLaunchTimeout));
  EXPECT_THAT(reported_kinds(), ElementsAre("deadlock"));
}

// One communicator's operations run one after the other, on whatever streams.
TEST_F(NcclTest, StreamsDoNotHelpWithinACommunicator) {
  make_connected(2);
  std::vector<std::unique_ptr<Stream>> more;
  for (int i = 0; i < 2; ++i) {
    check(cudaSetDevice(i));
    more.push_back(std::make_unique<Stream>());
    ASSERT_EQ(rank(i).send(1 - i), ncclSuccess);
    ASSERT_EQ(ncclRecv(rank(i).y.data(), kSize, ncclFloat32, 1 - i, rank(i).comm, more[i]->get()),
              ncclSuccess);
  }
  EXPECT_THAT(finish(), Each(cudaErrorLaunchTimeout));
  EXPECT_THAT(reported_kinds(), ElementsAre("deadlock"));
}

TEST_F(NcclTest, AWrongCommunicatorIsReported) {
  make_connected(2);
  std::vector<ncclComm_t> others(2);
  ASSERT_EQ(ncclCommInitAll(others.data(), 2, nullptr), ncclSuccess);
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  std::swap(rank(1).comm, others[1]);
  std::thread receives([&] { EXPECT_EQ(rank(1).receive(0), ncclInternalError); });
  EXPECT_THAT(finish(), Contains(cudaErrorLaunchTimeout));
  receives.join();
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text, HasSubstr("communicator 1, rank 0"));
  EXPECT_THAT(reports[0].text, HasSubstr("communicator 2, rank 1"));
  ncclCommDestroy(others[0]);
  ncclCommDestroy(others[1]);
}

TEST_F(NcclTest, CollectivesInUnlikeOrderAreReported) {
  make(2);
  const auto sum = [this](int i) {
    return ncclAllReduce(rank(i).x.data(), rank(i).y.data(), kSize, ncclFloat32, ncclSum,
                         rank(i).comm, rank(i).stream.get());
  };
  const auto gather = [this](int i) {
    return ncclAllGather(rank(i).x.data(), rank(i).y.data(), kSize / 2, ncclFloat32, rank(i).comm,
                         rank(i).stream.get());
  };
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  ASSERT_EQ(sum(0), ncclSuccess);
  ASSERT_EQ(gather(1), ncclSuccess);
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_THAT(finish(), Each(cudaErrorLaunchTimeout));
  EXPECT_THAT(reported_kinds(), ElementsAre("nccl mismatch", "deadlock"));
}

// The first transfer makes the connection, and blocks the host until the other end comes.
TEST_F(NcclTest, AFirstTransferNeedsBothHosts) {
  make(2);
  EXPECT_EQ(rank(0).send(1), ncclInternalError);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text, HasSubstr("waits for the other end of the connection for ncclSend"));
}

TEST_F(NcclTest, RanksThatNeverComeAreReported) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  Rank alone(0);
  EXPECT_EQ(ncclCommInitRank(&alone.comm, 2, id, 0), ncclInternalError);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text, HasSubstr("waits for 1 ranks to join"));
}

TEST_F(NcclTest, TwoRanksOnOneDeviceAreRefused) {
  const std::vector<int> devices = {1, 1};
  std::vector<ncclComm_t> comms(2);
  EXPECT_EQ(ncclCommInitAll(comms.data(), 2, devices.data()), ncclInvalidUsage);
  EXPECT_THAT(ncclGetLastError(nullptr), HasSubstr("two ranks use device 1"));
  for (ncclComm_t comm : comms) {
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  }
}

TEST_F(NcclTest, AnotherDevicesBufferOrStreamIsReported) {
  make_connected(2);
  EXPECT_EQ(ncclSend(rank(1).x.data(), kSize, ncclFloat32, 1, rank(0).comm, rank(0).stream.get()),
            ncclInvalidArgument);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
  EXPECT_EQ(ncclSend(rank(0).x.data(), kSize, ncclFloat32, 1, rank(0).comm, rank(1).stream.get()),
            ncclUnhandledCudaError);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
}

TEST_F(NcclTest, ATransferThatLeavesItsBufferIsReported) {
  make_connected(2);
  ASSERT_EQ(
      ncclSend(rank(0).x.data() + 1, kSize, ncclFloat32, 1, rank(0).comm, rank(0).stream.get()),
      ncclSuccess);
  ASSERT_EQ(rank(1).receive(0), ncclSuccess);
  finish();
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds"));
}

TEST_F(NcclTest, ABufferUsedWhileItIsSentOrReceivedIsReported) {
  make_connected(2);
  const auto run = [&](bool planted) {
    Event sent;
    check(cudaSetDevice(0));
    Stream compute;
    ASSERT_EQ(rank(0).send(1), ncclSuccess);
    ASSERT_EQ(rank(1).receive(0), ncclSuccess);
    check(cudaEventRecord(sent.get(), rank(0).stream.get()));
    if (!planted) {
      check(cudaStreamWaitEvent(compute.get(), sent.get()));
    }
    check(fill(compute.get(), rank(0).x.data(), 5, kSize));
    finish();
    check(poll(compute.get()));
  };
  check(cudaSetDevice(0));
  run(true);
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
  check(cudaSetDevice(0));
  run(false);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

// What the sender did before comes before what the receiver does after; not the other way round.
TEST_F(NcclTest, AReceiveComesAfterItsSend) {
  make_connected(2);
  check(cudaSetDevice(1));
  check(cudaDeviceEnablePeerAccess(0, 0));
  check(cudaSetDevice(0));
  check(cudaDeviceEnablePeerAccess(1, 0));
  check(fill(rank(0).stream.get(), rank(0).y.data(), 5, kSize));
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  check(cudaSetDevice(1));
  ASSERT_EQ(rank(1).receive(0), ncclSuccess);
  check(fill(rank(1).stream.get(), rank(0).y.data(), 6, kSize));
  finish();
  EXPECT_THAT(reported_kinds(), IsEmpty());

  check(fill(rank(1).stream.get(), rank(1).x.data(), 5, kSize));
  ASSERT_EQ(rank(1).receive(0), ncclSuccess);
  check(cudaSetDevice(0));
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  check(fill(rank(0).stream.get(), rank(1).x.data(), 6, kSize));
  finish();
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
}

TEST_F(NcclTest, AbortLetsStreamsGo) {
  make_connected(2);
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  ASSERT_EQ(rank(0).send(1), ncclSuccess);
  EXPECT_EQ(cudaStreamQuery(rank(0).stream.get()), cudaErrorNotReady);
  EXPECT_EQ(ncclCommAbort(rank(0).comm), ncclSuccess);
  rank(0).comm = nullptr;
  EXPECT_THAT(finish(), Each(cudaSuccess));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(NcclTest, CallsFailOnDemand) {
  make_connected(2);
  virtual_gpu::fail_call("ncclSend", 1, ncclSystemError);
  EXPECT_EQ(rank(0).send(1), ncclSystemError);
  virtual_gpu::fail_call("ncclCommGetAsyncError", 2, ncclRemoteError);
  EXPECT_EQ(ask(rank(0).comm), ncclSuccess);
  EXPECT_EQ(ask(rank(0).comm), ncclRemoteError);
  EXPECT_EQ(ask(rank(0).comm), ncclRemoteError);
  EXPECT_EQ(rank(0).send(1), ncclRemoteError);
  EXPECT_EQ(ncclCommAbort(rank(0).comm), ncclSuccess);
  rank(0).comm = nullptr;
}

TEST_F(NcclTest, ACallNeverReturnsOnDemand) {
  const auto run = [] {
    std::vector<ncclComm_t> comms(1);
    ncclCommInitAll(comms.data(), 1, nullptr);
    virtual_gpu::fail_call("ncclCommAbort", 1, virtual_gpu::kNeverReturns);
    std::atomic<bool> returned = false;
    std::thread([&] {
      ncclCommAbort(comms[0]);
      returned = true;
    }).detach();
    while (virtual_gpu::failed_calls() == 0) {
      std::this_thread::yield();
    }
    std::_Exit(returned ? 1 : 7);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run(), testing::ExitedWithCode(7), "");
}

TEST_F(NcclTest, RegistersMemoryOfItsDevice) {
  make(2);
  void* handle = nullptr;
  EXPECT_EQ(ncclCommRegister(rank(0).comm, rank(1).x.data(), 400, &handle), ncclInvalidArgument);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
  ASSERT_EQ(ncclCommRegister(rank(0).comm, rank(0).x.data(), 400, &handle), ncclSuccess);
  EXPECT_EQ(ncclCommDeregister(rank(0).comm, handle), ncclSuccess);
  EXPECT_EQ(ncclCommDeregister(rank(0).comm, handle), ncclInvalidArgument);
  EXPECT_THAT(reported_kinds(), ElementsAre("bad handle"));
}

TEST_F(NcclTest, ACommunicatorThatIsNeverDestroyedIsReported) {
  const auto run = [](bool planted) {
    ncclComm_t comm = nullptr;
    ncclCommInitAll(&comm, 1, nullptr);
    if (!planted) {
      ncclCommDestroy(comm);
    }
    std::exit(0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run(true), testing::ExitedWithCode(86), "leak: communicator 1, rank 0 of 1");
  EXPECT_EXIT(run(false), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace virtual_gpu_test
