// What the command says where CUDA cannot be used: the real CUDA runtime on drivers that fail.

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/device/cuda_device.h"
#include "tools/command_runs.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;

struct Failure {
  std::string name;
  std::string code;  ///< of the fake driver; empty: none
  std::string sentence;
};

void PrintTo(const Failure& failure, std::ostream* out) { *out << failure.name; }

class DriverFailureTest : public testing::TestWithParam<Failure> {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    if (GetParam().code.empty()) {
      if (cuda_support().driver_version != 0) {
        GTEST_SKIP() << "this machine has a driver";
      }
      return;
    }
    setenv("LD_LIBRARY_PATH", LOCKFLIGHT_FAKE_DRIVER_FOLDER, 1);  // in front of any real driver
    setenv("LOCKFLIGHT_FAKE_DRIVER", GetParam().code.c_str(), 1);
  }

  void TearDown() override {
    unsetenv("LD_LIBRARY_PATH");
    unsetenv("LOCKFLIGHT_FAKE_DRIVER");
  }

  Outcome run(const Words& words) const { return Process(words, folder_).wait(); }

 private:
  const std::filesystem::path folder_ = testing::TempDir() + "driver_failure_" + GetParam().name;
};

TEST_P(DriverFailureTest, DevicesSaysWhyInOneSentence) {
  const Outcome outcome = run({"devices"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("cuda    cannot be used: " + GetParam().sentence + "\n"));
}

TEST_P(DriverFailureTest, CudaIsRefusedWith69) {
  const Outcome outcome = run({"train", "--data", LOCKFLIGHT_SOME_TEXT, "--device", "cuda"});
  EXPECT_EQ(outcome.exit_code, 69);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "lockflight: --device cuda: " + GetParam().sentence + ", or use --device cpu\n");
}

TEST_P(DriverFailureTest, AutoTakesTheCpuAndSaysSo) {
  const Outcome outcome = run({"train",
                               "--data",
                               LOCKFLIGHT_SOME_TEXT,
                               "--layers",
                               "1",
                               "--width",
                               "8",
                               "--heads",
                               "1",
                               "--context",
                               "8",
                               "--steps",
                               "1",
                               "--ranks",
                               "1",
                               "--profile",
                               "estimate",
                               "--validate-every",
                               "0",
                               "--sample-bytes",
                               "0"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("runs on the CPU: " + GetParam().sentence + "\n"));
}

INSTANTIATE_TEST_SUITE_P(
    On, DriverFailureTest,
    testing::Values(
        Failure{"NoDriver", "", "this machine has no NVIDIA driver; install one"},
        Failure{"NoDevice", "100",
                "the NVIDIA driver finds no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES"},
        Failure{"DriverMismatch", "803",
                "the NVIDIA driver cannot be used: system has unsupported display driver / cuda "
                "driver combination (cudaErrorSystemDriverMismatch); check nvidia-smi"},
        Failure{"Unknown", "999",
                "the NVIDIA driver cannot be used: unknown error (cudaErrorUnknown); check "
                "nvidia-smi"},
        Failure{"NotInitialized", "3",
                "the NVIDIA driver cannot be used: initialization error "
                "(cudaErrorInitializationError); check nvidia-smi"},
        Failure{"Stub", "34",
                "the NVIDIA driver cannot be used: CUDA driver is a stub library "
                "(cudaErrorStubLibrary); check nvidia-smi"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lockflight::tools
