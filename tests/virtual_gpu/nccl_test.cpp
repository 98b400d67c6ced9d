// NCCL between virtual devices: what it does.

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/nccl_ranks.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace virtual_gpu_test
