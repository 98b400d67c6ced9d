#include "tools/devices_command.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "tools/device_choice.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;

CudaSupport two_gpus() {
  CudaSupport support{.driver_version = 13020, .runtime_version = 13000};
  for (int number = 0; number < 2; ++number) {
    support.devices.push_back({.number = number,
                               .name = "NVIDIA H100",
                               .major = 9,
                               .minor = 0,
                               .multiprocessors = 132,
                               .memory_bytes = std::size_t{80} << 30,
                               .bus = "0000:0" + std::to_string(number) + ":00.0",
                               .reachable = {1 - number}});
  }
  return support;
}

CudaSupport no_driver() {
  return {.runtime_version = 13000, .why_not = "this machine has no NVIDIA driver; install one"};
}

std::string printed(const CudaSupport& support, bool json) {
  std::ostringstream out;
  print_devices(support, json, {.out = out});
  return out.str();
}

TEST(DevicesCommandTest, ListsEveryGpuWithMemoryAndLinks) {
  const std::string text = printed(two_gpus(), false);
  EXPECT_THAT(text, HasSubstr("cuda:1  NVIDIA H100, 80.0 GiB, 132 multiprocessors, "
                              "compute capability 9.0, 0000:01:00.0\n"
                              "        reaches cuda:0 directly\n"));
  EXPECT_THAT(text, HasSubstr("driver for CUDA 13.2, built for CUDA 13.0\n"));
}

TEST(DevicesCommandTest, SaysInOneSentenceWhyCudaCannotBeUsed) {
  EXPECT_THAT(
      printed(no_driver(), false),
      HasSubstr("cuda    cannot be used: this machine has no NVIDIA driver; install one\n"));
}

TEST(DevicesCommandTest, PrintsTheSameAsJson) {
  const auto json = nlohmann::json::parse(printed(two_gpus(), true));
  EXPECT_TRUE(json.at("cuda").at("usable"));
  EXPECT_TRUE(json.at("cuda").at("why_not").is_null());
  EXPECT_EQ(json.at("cuda").at("driver"), "13.2");
  EXPECT_EQ(json.at("cuda").at("devices").at(1).at("memory_bytes"), std::size_t{80} << 30);
  EXPECT_EQ(json.at("cuda").at("devices").at(1).at("reachable"), nlohmann::json::array({0}));
  const auto none = nlohmann::json::parse(printed(no_driver(), true));
  EXPECT_FALSE(none.at("cuda").at("usable"));
  EXPECT_EQ(none.at("cuda").at("why_not"), no_driver().why_not);
  EXPECT_EQ(none.at("cuda").at("driver"), "none");
}

TEST(DeviceChoiceTest, AutoTakesGpusWhereThereAreSome) {
  EXPECT_EQ(choose_device("auto", two_gpus()).kind, DeviceKind::cuda);
  EXPECT_EQ(choose_device("auto", two_gpus()).why, "");
  EXPECT_EQ(choose_device("cuda", two_gpus()).kind, DeviceKind::cuda);
}

TEST(DeviceChoiceTest, AutoSaysWhyItTakesTheCpu) {
  const DeviceChoice choice = choose_device("auto", no_driver());
  EXPECT_EQ(choice.kind, DeviceKind::cpu);
  EXPECT_EQ(choice.why, "runs on the CPU: this machine has no NVIDIA driver; install one");
}

TEST(DeviceChoiceTest, CudaThatCannotBeUsedIsADeviceError) {
  try {
    choose_device("cuda", no_driver());
    FAIL() << "no error";
  } catch (const DeviceError& error) {
    EXPECT_STREQ(error.what(),
                 "--device cuda: this machine has no NVIDIA driver; install one, or use --device "
                 "cpu");
  }
}

}  // namespace
}  // namespace lockflight::tools
