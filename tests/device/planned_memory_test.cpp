#include "lockflight/device/planned_memory.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"

namespace lockflight {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(PlannedMemoryTest, HandsOutThePlacesInOrder) {
  const auto device = make_cpu_device();
  const Tensor block = device->empty({{256}});
  const std::vector<MemoryPlace> places = {{512, 40}, {0, 8}};
  const std::int64_t requests = device->memory().requests;
  PlannedMemory memory(block.view().data(), places);
  device->use(&memory);
  {
    const Tensor a = device->empty({{10}});
    const Tensor b = device->empty({{2}});
    EXPECT_EQ(a.view().data(), block.view().data() + 512);
    EXPECT_EQ(b.view().data(), block.view().data());
    EXPECT_EQ(memory.use().in_use_bytes, 2 * kMemoryAlignment);
  }
  EXPECT_EQ(memory.use().in_use_bytes, 0U);
  EXPECT_EQ(memory.use().peak_bytes, 2 * kMemoryAlignment);
  device->use(nullptr);
  EXPECT_EQ(device->memory().requests, requests);
  const Tensor c = device->empty({{10}});
  EXPECT_EQ(device->memory().requests, requests + 1);
}

TEST(PlannedMemoryTest, RefusesWhatThePlanDoesNotHave) {
  const auto device = make_cpu_device();
  const Tensor block = device->empty({{256}});
  const std::vector<MemoryPlace> places = {{0, 40}};
  PlannedMemory memory(block.view().data(), places);
  device->use(&memory);
  EXPECT_THAT(
      [&] { device->empty({{11}}); },
      ThrowsMessage<DeviceError>(HasSubstr("tensor 0 of the step has 44 bytes, the plan 40")));
  const Tensor a = device->empty({{10}});
  EXPECT_THAT([&] { device->empty({{10}}); },
              ThrowsMessage<DeviceError>(HasSubstr("after all 1 that the plan has")));
  device->use(nullptr);
}

}  // namespace
}  // namespace lockflight
