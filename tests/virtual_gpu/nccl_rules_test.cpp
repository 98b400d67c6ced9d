// What is reported of the use of NCCL.

#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>
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

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using NcclRuleTest = NcclTest;

TEST_F(NcclRuleTest, ASendWithoutAReceiveIsReported) {
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

TEST_F(NcclRuleTest, TransfersOfUnlikeSizeOrTypeAreReported) {
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
TEST_F(NcclRuleTest, SwappedTransfersAreReported) {
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
TEST_F(NcclRuleTest, TransfersThatCrossAreReportedUnlessTheyShareAGroup) {
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
TEST_F(NcclRuleTest, StreamsDoNotHelpWithinACommunicator) {
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

TEST_F(NcclRuleTest, AWrongCommunicatorIsReported) {
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

TEST_F(NcclRuleTest, CollectivesInUnlikeOrderAreReported) {
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
TEST_F(NcclRuleTest, AFirstTransferNeedsBothHosts) {
  make(2);
  EXPECT_EQ(rank(0).send(1), ncclInternalError);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text, HasSubstr("waits for the other end of the connection for ncclSend"));
}

TEST_F(NcclRuleTest, RanksThatNeverComeAreReported) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  Rank alone(0);
  EXPECT_EQ(ncclCommInitRank(&alone.comm, 2, id, 0), ncclInternalError);
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "deadlock");
  EXPECT_THAT(reports[0].text, HasSubstr("waits for 1 ranks to join"));
}

TEST_F(NcclRuleTest, TwoRanksOnOneDeviceAreRefused) {
  const std::vector<int> devices = {1, 1};
  std::vector<ncclComm_t> comms(2);
  EXPECT_EQ(ncclCommInitAll(comms.data(), 2, devices.data()), ncclInvalidUsage);
  EXPECT_THAT(ncclGetLastError(nullptr), HasSubstr("two ranks use device 1"));
  for (ncclComm_t comm : comms) {
    EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  }
}

TEST_F(NcclRuleTest, AnotherDevicesBufferOrStreamIsReported) {
  make_connected(2);
  EXPECT_EQ(ncclSend(rank(1).x.data(), kSize, ncclFloat32, 1, rank(0).comm, rank(0).stream.get()),
            ncclInvalidArgument);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
  EXPECT_EQ(ncclSend(rank(0).x.data(), kSize, ncclFloat32, 1, rank(0).comm, rank(1).stream.get()),
            ncclUnhandledCudaError);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong device"));
}

TEST_F(NcclRuleTest, ATransferThatLeavesItsBufferIsReported) {
  make_connected(2);
  ASSERT_EQ(
      ncclSend(rank(0).x.data() + 1, kSize, ncclFloat32, 1, rank(0).comm, rank(0).stream.get()),
      ncclSuccess);
  ASSERT_EQ(rank(1).receive(0), ncclSuccess);
  finish();
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds"));
}

TEST_F(NcclRuleTest, ABufferUsedWhileItIsSentOrReceivedIsReported) {
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

TEST_F(NcclRuleTest, ACommunicatorThatIsNeverDestroyedIsReported) {
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
