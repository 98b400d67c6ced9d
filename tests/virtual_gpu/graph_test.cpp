// Stream capture and graphs.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kGraphSize = 100;

/// The graph of what `enqueue` enqueues while `stream` is captured, ready for launches.
class Captured {
 public:
  template <typename Enqueue>
  Captured(cudaStream_t stream, Enqueue enqueue) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    enqueue();
    check(cudaStreamEndCapture(stream, &graph_));
    check(cudaGraphInstantiate(&exec_, graph_, 0));
  }
  ~Captured() {
    cudaGraphExecDestroy(exec_);
    cudaGraphDestroy(graph_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(exec_, stream)); }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t exec_ = nullptr;
};

class GraphTest : public OnVirtualGpu {
 protected:
  void SetUp() override {
    OnVirtualGpu::SetUp();
    if (!IsSkipped()) {
      virtual_gpu::set_patience(std::chrono::milliseconds(100));
    }
  }
};

/// x = 1 on one stream, y += x on another one, and back.  Planted: the event is recorded too early.
void fork_and_join(const Stream& a, const Stream& b, const Event& forked, const Event& joined,
                   const DeviceArray<float>& x, const DeviceArray<float>& y, bool planted) {
  if (planted) {
    check(cudaEventRecord(forked.get(), a.get()));
  }
  check(fill(a.get(), x.data(), 1, kGraphSize));
  if (!planted) {
    check(cudaEventRecord(forked.get(), a.get()));
  }
  check(cudaStreamWaitEvent(b.get(), forked.get()));
  check(axpy(b.get(), y.data(), x.data(), 1, kGraphSize));
  check(cudaEventRecord(joined.get(), b.get()));
  check(cudaStreamWaitEvent(a.get(), joined.get()));
}

TEST_F(GraphTest, RunsWhatWasCapturedAtEveryLaunch) {
  const Stream a;
  const Stream b;
  const Event forked;
  const Event joined;
  const DeviceArray<float> x(kGraphSize);
  const DeviceArray<float> y(std::vector<float>(kGraphSize, 0));
  {
    const Captured graph(a.get(), [&] { fork_and_join(a, b, forked, joined, x, y, false); });
    check(poll(a.get()));
    EXPECT_EQ(virtual_gpu::calls("kernel"), 0);
    for (int i = 0; i < 3; ++i) {
      graph.launch(a.get());
    }
    check(axpy(a.get(), y.data(), x.data(), 10, kGraphSize));
    check(poll(a.get()));
  }
  EXPECT_EQ(virtual_gpu::calls("kernel"), 7);
  EXPECT_THAT(y.read(), Each(3 + 10));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(GraphTest, ARaceWithinAGraphIsReported) {
  const Stream a;
  const Stream b;
  const Event forked;
  const Event joined;
  const DeviceArray<float> x(kGraphSize);
  const DeviceArray<float> y(kGraphSize);
  for (const char* order : {"fifo", "lifo", "1", "2", "3"}) {
    virtual_gpu::set_order(order);
    for (const bool planted : {true, false}) {
      const Captured graph(a.get(), [&] { fork_and_join(a, b, forked, joined, x, y, planted); });
      graph.launch(a.get());
      check(poll(a.get()));
      EXPECT_THAT(reported_kinds(), planted ? testing::Contains("race").Times(1)
                                            : testing::Contains("race").Times(0));
    }
  }
}

TEST_F(GraphTest, ARaceWithAGraphIsReported) {
  const Stream a;
  const Stream b;
  const Event launched;
  const DeviceArray<float> x(kGraphSize);
  const Captured graph(a.get(), [&] { check(fill(a.get(), x.data(), 1, kGraphSize)); });
  const auto run = [&](bool planted) {
    graph.launch(a.get());
    check(cudaEventRecord(launched.get(), a.get()));
    if (!planted) {
      check(cudaStreamWaitEvent(b.get(), launched.get()));
    }
    check(fill(b.get(), x.data(), 2, kGraphSize));
    check(poll(a.get()));
    check(poll(b.get()));
  };
  run(true);
  EXPECT_THAT(reported_kinds(), ElementsAre("race"));
  run(false);
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(GraphTest, WorkThatIsNotJoinedMakesNoGraph) {
  const Stream a;
  const Stream b;
  const Event forked;
  const DeviceArray<float> x(kGraphSize);
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(a.get(), cudaStreamCaptureModeThreadLocal));
  check(cudaEventRecord(forked.get(), a.get()));
  check(cudaStreamWaitEvent(b.get(), forked.get()));
  check(fill(b.get(), x.data(), 1, kGraphSize));
  EXPECT_EQ(cudaStreamEndCapture(a.get(), &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);
  check(fill(b.get(), x.data(), 1, kGraphSize));
  check(poll(b.get()));
}

TEST_F(GraphTest, AskingForACapturedStreamEndsTheCapture) {
  const Stream stream;
  cudaGraph_t graph = nullptr;
  cudaStreamCaptureStatus status{};
  check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  check(cudaStreamIsCapturing(stream.get(), &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  EXPECT_EQ(cudaStreamQuery(stream.get()), cudaErrorStreamCaptureUnsupported);
  check(cudaStreamIsCapturing(stream.get(), &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
  EXPECT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaErrorStreamCaptureInvalidated);
  check(cudaStreamIsCapturing(stream.get(), &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  EXPECT_EQ(cudaStreamQuery(stream.get()), cudaSuccess);
}

TEST_F(GraphTest, AllocationsAreRefusedUnlessTheCaptureIsRelaxed) {
  const Stream stream;
  void* memory = nullptr;
  const auto run = [&](cudaStreamCaptureMode mode) {
    check(cudaStreamBeginCapture(stream.get(), mode));
    const cudaError_t allocated = cudaMalloc(&memory, 100);
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream.get(), &graph) == cudaSuccess) {
      check(cudaGraphDestroy(graph));
    }
    return allocated;
  };
  EXPECT_EQ(run(cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(run(cudaStreamCaptureModeThreadLocal), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(run(cudaStreamCaptureModeRelaxed), cudaSuccess);
  check(cudaFree(memory));
}

TEST_F(GraphTest, AnEventFromOutsideIsRefused) {
  const Stream a;
  const Stream b;
  const Event outside;
  cudaGraph_t graph = nullptr;
  check(cudaEventRecord(outside.get(), b.get()));
  check(cudaStreamBeginCapture(a.get(), cudaStreamCaptureModeThreadLocal));
  EXPECT_EQ(cudaStreamWaitEvent(a.get(), outside.get()), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(cudaStreamEndCapture(a.get(), &graph), cudaErrorStreamCaptureInvalidated);
}

// Streams of two graphs meet by a word.
TEST_F(GraphTest, WordsAreWrittenAndWaitedForInGraphs) {
  const Stream a;
  const Stream b;
  const PinnedArray<std::uint32_t> word(1);
  const DeviceArray<float> x(kGraphSize);
  const Captured writes(a.get(), [&] {
    check(fill(a.get(), x.data(), 1, kGraphSize));
    write_value(a.get(), word.data(), 1);
  });
  const Captured waits(b.get(), [&] {
    wait_value(b.get(), word.data(), 1);
    check(fill(b.get(), x.data(), 2, kGraphSize));
  });
  waits.launch(b.get());
  EXPECT_EQ(cudaStreamQuery(b.get()), cudaErrorNotReady);
  writes.launch(a.get());
  EXPECT_EQ(poll(b.get()), cudaSuccess);
  EXPECT_THAT(x.read(), Each(2));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(poll(a.get()));
}

TEST_F(GraphTest, TransfersAreLaunchedAnew) {
  std::vector<ncclComm_t> comms(2);
  ASSERT_EQ(ncclCommInitAll(comms.data(), 2, nullptr), ncclSuccess);
  const Stream a;
  const DeviceArray<float> x(std::vector<float>(kGraphSize, 1));
  check(cudaSetDevice(1));
  const Stream b;
  const DeviceArray<float> y(kGraphSize);
  const auto send = [&] {
    return ncclSend(x.data(), kGraphSize, ncclFloat32, 1, comms[0], a.get());
  };
  const auto receive = [&] {
    return ncclRecv(y.data(), kGraphSize, ncclFloat32, 0, comms[1], b.get());
  };
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);  // connects
  ASSERT_EQ(send(), ncclSuccess);
  ASSERT_EQ(receive(), ncclSuccess);
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  check(cudaDeviceSynchronize());
  check(cudaSetDevice(0));
  {
    const Captured sends(a.get(), [&] {
      check(axpy(a.get(), x.data(), x.data(), 1, kGraphSize));
      EXPECT_EQ(send(), ncclSuccess);
    });
    const Captured receives(b.get(), [&] { EXPECT_EQ(receive(), ncclSuccess); });
    for (int i = 0; i < 3; ++i) {
      sends.launch(a.get());
      receives.launch(b.get());
    }
    EXPECT_EQ(poll(a.get()), cudaSuccess);
    EXPECT_EQ(poll(b.get()), cudaSuccess);
    EXPECT_THAT(y.read(), Each(8));
    EXPECT_THAT(reported_kinds(), IsEmpty());
    receives.launch(b.get());
    EXPECT_EQ(poll(b.get()), cudaErrorLaunchTimeout);
    EXPECT_THAT(reported_kinds(), ElementsAre("deadlock"));
  }
  ncclCommDestroy(comms[0]);
  ncclCommDestroy(comms[1]);
}

TEST_F(GraphTest, ACommunicatorThatEndsBeforeItsGraphIsReported) {
  for (const bool planted : {true, false}) {
    std::vector<ncclComm_t> comms(1);
    ASSERT_EQ(ncclCommInitAll(comms.data(), 1, nullptr), ncclSuccess);
    {
      const Stream stream;
      const DeviceArray<float> x(kGraphSize);
      const auto reduce = [&] {
        EXPECT_EQ(ncclAllReduce(x.data(), x.data(), kGraphSize, ncclFloat32, ncclSum, comms[0],
                                stream.get()),
                  ncclSuccess);
      };
      const Captured captured(stream.get(), reduce);
      if (planted) {
        ncclCommAbort(comms[0]);
      }
    }
    if (!planted) {
      ncclCommAbort(comms[0]);
    }
    EXPECT_EQ(reported_kinds(),
              planted ? std::vector<std::string>{"nccl misuse"} : std::vector<std::string>{});
  }
}

TEST_F(GraphTest, AGraphThatIsNeverDestroyedIsReported) {
  const auto run = [](bool planted) {
    {
      const Stream stream;
      cudaGraph_t graph = nullptr;
      check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal));
      check(cudaStreamEndCapture(stream.get(), &graph));
      if (!planted) {
        check(cudaGraphDestroy(graph));
      }
    }
    std::exit(0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run(true), testing::ExitedWithCode(86), "leak: 1 graphs and 0 instantiated graphs");
  EXPECT_EXIT(run(false), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace virtual_gpu_test
