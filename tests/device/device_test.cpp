// What every backend keeps of the contract of devices, streams and events.

#include "lockflight/device/device.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend.h"
#include "lockflight/core/error.h"
#include "lockflight/device/launch.h"

#ifdef LOCKFLIGHT_TEST_CUDA
#include <cuda_runtime_api.h>
#endif

namespace lockflight {
namespace {

class DeviceTest : public test::BackendTest {};
INSTANTIATE_TEST_SUITE_P(On, DeviceTest, test::all_backends(), test::backend_name);

std::vector<float> numbers(std::size_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

// The test program links CUDA where there is CUDA.
void clear_on_cuda([[maybe_unused]] CUstream_st* stream, [[maybe_unused]] const TensorView& view) {
#ifdef LOCKFLIGHT_TEST_CUDA
  ASSERT_EQ(cudaMemsetAsync(view.data(), 0, view.bytes(), stream), cudaSuccess);
#endif
}

TensorSpec floats(std::size_t count) { return {{static_cast<std::int64_t>(count)}}; }

TEST_P(DeviceTest, KnowsItsKind) { EXPECT_EQ(device().kind(), GetParam()); }

TEST_P(DeviceTest, BringsBytesToTheDeviceAndBack) {
  const auto stream = device().make_stream(StreamRole::compute);
  for (const std::size_t count : {1, 7, 1000, 3'000'000}) {
    const std::vector<float> from = numbers(count, 0.5F);
    std::vector<float> to(count + 1, -1.0F);
    const Tensor tensor = device().empty(floats(count));
    stream->upload(tensor, from.data());
    stream->download(to.data(), tensor);
    device().synchronize();
    EXPECT_EQ(to.back(), -1.0F);
    to.pop_back();
    EXPECT_EQ(to, from);
  }
}

TEST_P(DeviceTest, EmptyTensorsTravelToo) {
  const auto stream = device().make_stream(StreamRole::compute);
  const Tensor tensor = device().empty(floats(0));
  stream->upload(tensor, nullptr);
  stream->download(nullptr, tensor);
  device().synchronize();
}

// A token goes through one tensor, from stream to stream by events alone.
TEST_P(DeviceTest, EventsOrderStreams) {
  constexpr int kRounds = 20;
  const auto writer = device().make_stream(StreamRole::compute);
  const auto reader = device().make_stream(StreamRole::transfer);
  const auto written = device().make_event();
  const auto read = device().make_event();
  const Tensor tensor = device().empty(floats(300));
  std::vector<std::vector<float>> from;
  std::vector<std::vector<float>> to(kRounds, std::vector<float>(300));
  for (int round = 0; round < kRounds; ++round) {
    from.push_back(numbers(300, static_cast<float>(1000 * round)));
  }
  for (int round = 0; round < kRounds; ++round) {
    writer->wait(*read);  // has no effect at first: it was never recorded
    writer->upload(tensor, from[round].data());
    writer->record(*written);
    reader->wait(*written);
    reader->download(to[round].data(), tensor);
    reader->record(*read);
  }
  device().synchronize();
  EXPECT_EQ(to, from);
}

TEST_P(DeviceTest, WhatWasDownloadedInFrontOfAnEventIsThereWithIt) {
  const auto stream = device().make_stream(StreamRole::compute);
  const auto other = device().make_stream(StreamRole::transfer);
  const auto event = device().make_event();
  const Tensor tensor = device().empty(floats(300));
  for (int round = 0; round < 5; ++round) {
    const std::vector<float> from = numbers(300, static_cast<float>(1000 * round));
    std::vector<float> to(300);
    std::vector<float> later(300);
    stream->upload(tensor, from.data());
    stream->download(to.data(), tensor);
    stream->record(*event);
    stream->download(later.data(), tensor);
    other->download(later.data(), device().empty(floats(300)));
    device().synchronize(*event);
    EXPECT_EQ(to, from);
    device().synchronize();
  }
}

TEST_P(DeviceTest, TimesAreInTheOrderOfAStream) {
  const auto stream = device().make_stream(StreamRole::compute);
  const Tensor tensor = device().empty(floats(1000));
  const std::vector<float> values(1000);
  std::vector<std::int64_t> times(10, -1);
  for (std::int64_t& time : times) {
    stream->upload(tensor, values.data());
    stream->time(&time);
  }
  device().synchronize();
  EXPECT_GE(times.front(), 0);
  EXPECT_TRUE(std::ranges::is_sorted(times));
  std::int64_t later = 0;
  stream->time(&later);
  device().synchronize();
  EXPECT_GE(later, times.back());
}

TEST_P(DeviceTest, KeepsTheFirstFailureAndDropsWhatFollows) {
  const auto stream = device().make_stream(StreamRole::compute);
  const Tensor tensor = device().empty(floats(3));
  const std::vector<float> ones(3, 1.0F);
  const std::vector<float> twos(3, 2.0F);
  std::vector<float> to(3, 0.0F);
  stream->upload(tensor, ones.data());
  device().synchronize();
  EXPECT_EQ(device().failure(), std::nullopt);
  device().fail(std::make_exception_ptr(std::runtime_error("first")), 17);
  device().fail(std::make_exception_ptr(std::runtime_error("second")));
  stream->upload(tensor, twos.data());
  stream->download(to.data(), tensor);
  EXPECT_THAT([&] { device().synchronize(); }, testing::ThrowsMessage<std::runtime_error>("first"));
  EXPECT_EQ(to, std::vector<float>(3, 0.0F));
  EXPECT_EQ(device().failure()->action, 17);
}

TEST_P(DeviceTest, RunsAKernelOfOnesOwn) {
  const auto stream = device().make_stream(StreamRole::compute);
  const Tensor tensor = device().empty(floats(5));
  std::vector<float> to(5, 1.0F);
  const TensorView view = tensor;
  launch(*stream, {.name = "clear"},
         {.cpu = [view](cpu::Team&) { std::ranges::fill_n(view.as<float>(), 5, 0.0F); },
          .cuda = [view](CUstream_st* cuda) { clear_on_cuda(cuda, view); }});
  stream->download(to.data(), tensor);
  device().synchronize();
  EXPECT_EQ(to, std::vector<float>(5, 0.0F));
}

TEST_P(DeviceTest, AKernelThatIsMissingIsNamed) {
  const auto stream = device().make_stream(StreamRole::compute);
  EXPECT_THAT(
      [&] { launch(*stream, {.name = "nothing"}, {}); },
      testing::ThrowsMessage<InvalidArgument>(testing::HasSubstr("nothing: there is no kernel")));
}

TEST_P(DeviceTest, AsksForNoNamesWhereNoProfilerIsAttached) {
  EXPECT_FALSE(device().shows_ranges());
  device().begin_range("nobody sees it");
  device().end_range();
}

TEST_P(DeviceTest, CountsItsMemory) {
  const std::size_t before = device().memory().in_use_bytes;
  {
    const Tensor a = device().empty(floats(100));
    const Tensor b = device().empty(floats(64));
    EXPECT_EQ(device().memory().in_use_bytes - before, 512U + 256U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.view().data()) % kMemoryAlignment, 0U);
  }
  EXPECT_EQ(device().memory().in_use_bytes, before);
  EXPECT_GE(device().memory().peak_bytes, before + 768);
  device().reserve(std::size_t{100} << 20);
  const std::size_t reserved = device().memory().reserved_bytes;
  const Tensor large = device().empty(floats(std::size_t{25} << 20));
  EXPECT_EQ(device().memory().reserved_bytes, reserved);
}

TEST_P(DeviceTest, MemoryThatThereIsNotIsADeviceError) {
  EXPECT_THROW(device().reserve(std::size_t{1} << 50), DeviceError);
  const Tensor small = device().empty(floats(1));  // and all goes on
  EXPECT_TRUE(small);
}

}  // namespace
}  // namespace lockflight
