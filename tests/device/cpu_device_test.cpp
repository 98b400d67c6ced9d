#include "lockflight/device/cpu_device.h"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/gate.h"
#include "device/modes.h"
#include "lockflight/core/error.h"
#include "lockflight/device/launch.h"
#include "lockflight/device/meta_device.h"

namespace lockflight {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

void run(Stream& stream, std::function<void()> kernel) {
  cpu::launch(stream, {.name = "test"},
              [kernel = std::move(kernel)](cpu::Team& /*team*/) { kernel(); });
}

std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  }
}

std::string failure_of_synchronize(Device& device) {
  try {
    device.synchronize();
  } catch (...) {
    return message_of(std::current_exception());
  }
  return "none";
}

class CpuDeviceTest : public testing::TestWithParam<Mode> {
 protected:
  const std::unique_ptr<Device> device_ = make_cpu_device(GetParam().options());
};

INSTANTIATE_TEST_SUITE_P(Modes, CpuDeviceTest, testing::ValuesIn(all_modes()), mode_name);

TEST_P(CpuDeviceTest, KeepsTheFirstFailureWithItsMark) {
  const auto stream = device_->make_stream(StreamRole::compute);
  EXPECT_FALSE(device_->failure());
  device_->mark(4);
  run(*stream, [] {});
  device_->mark(5);
  run(*stream, [] { throw std::runtime_error("five"); });
  device_->mark(6);
  run(*stream, [] { throw std::runtime_error("six"); });
  EXPECT_EQ(failure_of_synchronize(*device_), "five");
  ASSERT_TRUE(device_->failure());
  EXPECT_EQ(device_->failure()->action, 5);
  EXPECT_EQ(message_of(device_->failure()->error), "five");
  EXPECT_EQ(failure_of_synchronize(*device_), "five");  // not only once
}

TEST_P(CpuDeviceTest, DropsWhatComesAfterAFailureOnEveryStream) {
  const auto failing = device_->make_stream(StreamRole::compute);
  const auto other = device_->make_stream(StreamRole::transfer);
  const auto event = device_->make_event();
  bool ran = false;
  Gate never;
  run(*failing, [] { throw std::runtime_error("broken"); });
  run(*failing, [&ran] { ran = true; });
  never.hold(*failing);  // must not hold anybody any more
  failing->record(*event);
  other->wait(*event);
  run(*other, [&ran] { ran = true; });
  EXPECT_EQ(failure_of_synchronize(*device_), "broken");
  run(*other, [&ran] { ran = true; });
  EXPECT_EQ(failure_of_synchronize(*device_), "broken");
  EXPECT_FALSE(ran);
}

TEST_P(CpuDeviceTest, FailsWhenAnotherThreadSaysSo) {
  const auto stream = device_->make_stream(StreamRole::compute);
  Gate never;
  never.hold(*stream);
  std::thread([this] {
    device_->fail(std::make_exception_ptr(std::runtime_error("from outside")));
    device_->fail(std::make_exception_ptr(std::runtime_error("too late")));
  }).join();
  EXPECT_EQ(failure_of_synchronize(*device_), "from outside");
  EXPECT_EQ(device_->failure()->action, -1);
}

TEST_P(CpuDeviceTest, SaysWhoWaitsWhenNobodyCanEverArrive) {
  const auto devices = make_cpu_devices(2, GetParam().options());
  const auto first = devices[0]->make_stream(StreamRole::transfer);
  const auto second = devices[1]->make_stream(StreamRole::transfer);
  Gate send("send to rank 1");
  Gate receive("recv from rank 0");
  devices[0]->mark(3);
  send.hold(*first);
  devices[1]->mark(8);
  receive.hold(*second);
  std::string other;
  std::thread host([&] { other = failure_of_synchronize(*devices[1]); });
  const std::string one = failure_of_synchronize(*devices[0]);
  host.join();
  EXPECT_THAT(one, AllOf(HasSubstr("nobody can ever arrive"), HasSubstr("rank 0: send to rank 1"),
                         HasSubstr("rank 1: recv from rank 0")));
  EXPECT_EQ(one, other);
  EXPECT_EQ(devices[0]->failure()->action, 3);
  EXPECT_EQ(devices[1]->failure()->action, 8);
}

TEST_P(CpuDeviceTest, NobodyIsLostWhileOneHostMayStillEnqueue) {
  const auto devices = make_cpu_devices(2, GetParam().options());
  const auto first = devices[0]->make_stream(StreamRole::transfer);
  const auto second = devices[1]->make_stream(StreamRole::transfer);
  Gate gate;
  gate.hold(*first);
  std::string other;
  std::thread host([&] { other = failure_of_synchronize(*devices[0]); });
  std::this_thread::sleep_for(milliseconds(5));  // rank 0 waits; rank 1's host is still at work
  EXPECT_FALSE(devices[0]->failure());
  run(*second, [&gate] { gate.open(); });
  devices[1]->synchronize();
  host.join();
  EXPECT_EQ(other, "none");
}

TEST_P(CpuDeviceTest, AHostMayParkItself) {
  const auto devices = make_cpu_devices(2, GetParam().options());
  const auto stream = devices[0]->make_stream(StreamRole::transfer);
  const HostParked parked(*devices[1]);
  Gate never("recv from rank 1");
  never.hold(*stream);
  EXPECT_THAT(failure_of_synchronize(*devices[0]), HasSubstr("recv from rank 1"));
}

TEST_P(CpuDeviceTest, ATransferHasADeadline) {
  CpuDeviceOptions options = GetParam().options();
  options.deadline = milliseconds(20);
  const auto devices = make_cpu_devices(2, options);  // the second one's host never parks
  const auto stream = devices[0]->make_stream(StreamRole::transfer);
  Gate never("recv of 4 bytes from rank 1");
  devices[0]->mark(9);
  never.hold(*stream);
  EXPECT_EQ(failure_of_synchronize(*devices[0]),
            "recv of 4 bytes from rank 1 had no answer within 20 ms");
  EXPECT_EQ(devices[0]->failure()->action, 9);
  EXPECT_FALSE(devices[1]->failure());
}

TEST_P(CpuDeviceTest, MayEndWithoutHavingBeenWaitedFor) {
  for (int round = 0; round < 10; ++round) {
    auto counter = std::make_shared<int>(0);
    {
      const auto device = make_cpu_device(GetParam().options());
      const auto stream = device->make_stream(StreamRole::compute);
      for (int i = 0; i < 10; ++i) {
        run(*stream, [counter] { ++*counter; });
      }
    }
    EXPECT_EQ(counter.use_count(), 1);
  }
}

TEST(CpuDevicesTest, RefuseOptionsThatCannotWork) {
  EXPECT_THROW(make_cpu_devices(0, {}), InvalidArgument);
  EXPECT_THROW(make_cpu_device({.threads = 0}), InvalidArgument);
  EXPECT_THROW(make_cpu_device({.deadline = milliseconds(0)}), InvalidArgument);
}

TEST(CpuDevicesTest, OneCpuDeviceComputesWithAsManyThreadsAsAsked) {
  for (const int threads : {1, 3}) {
    const auto device = make_cpu_device({.threads = threads});
    const auto stream = device->make_stream(StreamRole::compute);
    int size = 0;
    cpu::launch(*stream, {.name = "test"}, [&size](cpu::Team& team) { size = team.size(); });
    device->synchronize();
    EXPECT_EQ(size, threads);
  }
}

TEST(CpuDevicesTest, ParkingTheHostOfAnotherKindOfDeviceHasNoEffect) {
  const auto device = make_meta_device();
  const HostParked parked(*device);
}

}  // namespace
}  // namespace lockflight
