#include "lockflight/device/meta_device.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"

namespace lockflight {
namespace {

TEST(MetaDeviceTest, AddsUpWhatIsLaunchedAndRunsNothing) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  const auto never = [](cpu::Team&) { throw std::logic_error("a meta device computes nothing"); };
  cpu::launch(*stream, {.name = "a", .flops = 10, .bytes_moved = 3}, never);
  cpu::launch(*stream, {.name = "b", .flops = 5, .bytes_moved = 4}, never);
  device->synchronize();
  const OpTotals totals = take_totals(*device);
  EXPECT_EQ(totals.flops, 15);
  EXPECT_EQ(totals.bytes_moved, 7);
  EXPECT_EQ(totals.launches, 2);
  EXPECT_EQ(take_totals(*device).launches, 0);
}

TEST(MetaDeviceTest, HasRoomForWhatNoMachineHolds) {
  const auto device = make_meta_device();
  const TensorSpec huge{{1'000'000, 1'000'000}};
  Tensor a = device->empty(huge);
  {
    const Tensor b = device->empty(huge);
    EXPECT_NE(a.view().data(), b.view().data());
    EXPECT_EQ(device->memory().in_use_bytes, 2 * huge.bytes());
  }
  a = {};
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
  EXPECT_EQ(device->memory().peak_bytes, 2 * huge.bytes());
  EXPECT_EQ(device->memory().reserved_bytes, 0U);
}

TEST(MetaDeviceTest, TensorsHaveAddressesForViewsAndSlices) {
  const auto device = make_meta_device();
  const Tensor a = device->empty({{8, 4}});
  const Tensor none = device->empty({{0}});
  const Tensor b = device->empty({{8, 4}});
  EXPECT_TRUE(none);
  EXPECT_NE(none.view().data(), b.view().data());
  EXPECT_EQ(a.view().slice(2, 3).data() - a.view().data(), 2 * 4 * 4);
  EXPECT_GE(b.view().data() - a.view().data(), 8 * 4 * 4);
}

TEST(MetaDeviceTest, CountsMemoryAsDevicesWithMemoryDo) {
  const auto device = make_meta_device();
  const auto cpu = make_cpu_device();
  const std::vector<std::int64_t> sizes = {0, 1, 64, 65, 1000};
  for (Device* each : {device.get(), cpu.get()}) {
    Tensors tensors;
    for (const std::int64_t size : sizes) {
      tensors.push_back(each->empty({{size}}));
    }
    tensors.erase(tensors.begin() + 1, tensors.begin() + 3);
  }
  EXPECT_EQ(device->memory().peak_bytes, cpu->memory().peak_bytes);
  EXPECT_EQ(device->memory().peak_bytes, 256U * (1 + 1 + 1 + 2 + 16));
  const Tensor one = device->empty({{1}});
  EXPECT_EQ(device->memory().in_use_bytes, 256U);
}

TEST(MetaDeviceTest, StreamsAndEventsDoNothing) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::transfer);
  const auto event = device->make_event();
  const Tensor tensor = device->empty({{4}});
  std::int64_t nanoseconds = -7;
  float host[4] = {1, 2, 3, 4};
  stream->wait(*event);
  stream->record(*event);
  stream->time(&nanoseconds);
  stream->upload(tensor, host);
  stream->download(host, tensor);
  device->synchronize();
  EXPECT_EQ(nanoseconds, -7);
  EXPECT_EQ(host[3], 4);
  EXPECT_FALSE(device->failure());
  EXPECT_EQ(name_of(device->kind()), "meta");
}

TEST(MetaDeviceTest, OnlyAMetaDeviceHasTotals) {
  const auto device = make_cpu_device();
  EXPECT_THROW(take_totals(*device), InvalidArgument);
  EXPECT_THROW(take_operations(*device), InvalidArgument);
  EXPECT_THROW(take_buffers(*device), InvalidArgument);
}

TEST(MetaDeviceTest, RecordsTheLivesOfTensorsInTheOrderOfTheCalls) {
  const auto device = make_meta_device({.record_buffers = true});
  device->mark(7);
  Tensor a = device->empty({{10}});
  device->mark(8);
  Tensor b = device->empty({{20}});
  a = Tensor();
  const Tensor c = device->empty({{30}});
  b = Tensor();
  EXPECT_THAT(take_buffers(*device),
              testing::ElementsAre(
                  BufferLife{.bytes = 40, .born = 0, .freed = 2, .action = 7, .freed_by = 8},
                  BufferLife{.bytes = 80, .born = 1, .freed = 4, .action = 8, .freed_by = 8},
                  BufferLife{.bytes = 120, .born = 3, .freed = -1, .action = 8}));
  EXPECT_TRUE(take_buffers(*device).empty());
}

TEST(MetaDeviceTest, RecordsOperationsWhereItIsAskedTo) {
  const auto device = make_meta_device({.record_operations = true});
  const auto stream = device->make_stream(StreamRole::compute);
  cpu::launch(*stream, {.name = "a", .flops = 10, .bytes_moved = 3}, {});
  cpu::launch(*stream, {.name = "b", .flops = 5, .bytes_moved = 4}, {});
  const std::vector<OpCost> operations = take_operations(*device);
  ASSERT_EQ(operations.size(), 2U);
  EXPECT_EQ(operations[1].name, "b");
  EXPECT_EQ(operations[1].flops, 5);
  EXPECT_TRUE(take_operations(*device).empty());
  EXPECT_TRUE(take_buffers(*device).empty());
}

}  // namespace
}  // namespace lockflight
