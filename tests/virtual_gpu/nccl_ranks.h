// Ranks that talk by NCCL, for tests.

#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <nccl.h>

#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {

inline constexpr int kSize = 100;

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
    if (!IsSkipped()) {
      virtual_gpu::set_patience(std::chrono::milliseconds(100));
    }
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

inline ncclResult_t ask(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  EXPECT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
  return state;
}

}  // namespace virtual_gpu_test
