// What the tests of operations share: one body for every backend, every way in which the backend
// may compute, and every place where tensors may lie.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backend.h"
#include "lockflight/core/error.h"
#include "ops/cpu/targets.h"
#include "ops/values.h"

namespace lockflight::ops {

/// Tensors lie between guards: of NaN, or, for tokens, of the first token, which show what reads
/// beyond an end; and must stay as they are, which shows what writes there.
class OpTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override { test::need(GetParam()); }
  void TearDown() override {
    if (machine_ != nullptr) {
      expect_guards();
    }
  }

  Stream& stream() { return *machine().stream; }
  Device& device() { return *machine().device; }
  /// Goes on with new devices, after one has failed.
  void renew() {
    placed_.clear();
    machine_ = nullptr;
    machines_.clear();
  }

  TensorView tensor(const Shape& shape, const Floats& values) {
    return place({shape, DType::f32}, values.data());
  }
  TensorView tensor(const Shape& shape, const Tokens& values) {
    return place({shape, DType::i32}, values.data());
  }
  TensorView tensor(const Shape& shape, const Bf16s& values) {
    return place({shape, DType::bf16}, values.data());
  }
  TensorView tensor(const Shape& shape, const Doubles& values) {
    return place({shape, DType::f64}, values.data());
  }
  TensorView filled(const Shape& shape, float value) {
    return tensor(shape, Floats(static_cast<std::size_t>(shape.elements()), value));
  }
  /// Not yet written: NaN.
  TensorView unset(const Shape& shape, DType dtype = DType::f32) {
    const TensorSpec spec{shape, dtype};
    return place(spec, std::vector<std::byte>(spec.bytes(), kNaN).data());
  }

  template <typename T = float>
  std::vector<T> values(const TensorView& tensor) {
    std::vector<T> read(static_cast<std::size_t>(tensor.elements()));
    stream().download(read.data(), tensor);
    device().synchronize();
    return read;
  }
  /// Of all these, one after another.
  Floats values_of(std::initializer_list<TensorView> tensors) {
    Floats all;
    for (const TensorView& tensor : tensors) {
      const Floats read = values(tensor);
      all.insert(all.end(), read.begin(), read.end());
    }
    return all;
  }

  /// Whether the bits of a result may depend on the addresses of tensors: those of another
  /// library's products may.
  enum class Alignment { never_matters, matters };

  /// Has compute() make tensors, run operations on them and return values, in every way: on a CPU
  /// under every instruction set and with teams of one to three threads; everywhere with tensors
  /// that begin at aligned addresses, and one element further.  Expects the same bits for each
  /// instruction set, and calls check(values) once for each.
  template <class Compute, class Check>
  void in_every_way(const Compute& compute, const Check& check,
                    Alignment alignment = Alignment::never_matters) {
    if (GetParam() == DeviceKind::cpu) {
      cpu::on_every_target([&] { with_teams({1, 2, 3}, compute, check, alignment); });
    } else {
      with_teams({1}, compute, check, alignment);
    }
  }
  /// The same, against expected values.
  template <class Compute>
  void expect_in_every_way(const Doubles& expected, double tolerance, const Compute& compute) {
    in_every_way(compute, [&](const Floats& result) { expect_close(result, expected, tolerance); });
  }

  /// What the device says when it has failed.
  std::string failure() {
    try {
      device().synchronize();
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "nothing failed";
  }

 private:
  static constexpr std::byte kNaN{0xFF};
  static constexpr std::size_t kGuardBytes = 256;

  struct Machine {
    std::unique_ptr<Device> device;
    std::unique_ptr<Stream> stream;
  };
  struct Placed {
    Tensor block;
    std::vector<std::byte> uploaded;
    std::size_t begin;
    std::size_t end;
    std::byte guard;
  };

  Machine& machine() {
    if (machine_ == nullptr) {
      use_team(1);
    }
    return *machine_;
  }
  void use_team(int threads) {
    machine_ = &machines_[threads];
    if (machine_->device == nullptr) {
      machine_->device = GetParam() == DeviceKind::cpu ? make_cpu_device({.threads = threads})
                                                       : test::make_device(GetParam());
      machine_->stream = machine_->device->make_stream(StreamRole::compute);
    }
  }

  static std::byte guard_of(DType dtype) { return dtype == DType::i32 ? std::byte{0} : kNaN; }

  TensorView place(const TensorSpec& spec, const void* data) {
    const std::size_t begin = kGuardBytes + shift_ * size_of(spec.dtype);
    const std::size_t end = begin + spec.bytes();
    const std::byte guard = guard_of(spec.dtype);
    std::vector<std::byte> bytes(end + kGuardBytes, guard);
    std::copy_n(static_cast<const std::byte*>(data), spec.bytes(), bytes.data() + begin);
    const auto elements = static_cast<std::int64_t>(bytes.size() / size_of(spec.dtype));
    placed_.push_back(
        {device().empty({{elements}, spec.dtype}), std::move(bytes), begin, end, guard});
    const Placed& placed = placed_.back();
    stream().upload(placed.block, placed.uploaded.data());
    return {placed.block.view().data() + begin, spec};
  }

  void expect_guards() {
    for (const Placed& placed : placed_) {
      std::vector<std::byte> now(placed.uploaded.size());
      stream().download(now.data(), placed.block);
      device().synchronize();
      const auto guarded = [&](std::byte byte) { return byte == placed.guard; };
      const auto begin = now.begin() + static_cast<std::ptrdiff_t>(placed.begin);
      const auto end = now.begin() + static_cast<std::ptrdiff_t>(placed.end);
      EXPECT_TRUE(std::all_of(now.begin(), begin, guarded))
          << "something was written in front of a tensor of " << placed.end - placed.begin
          << " bytes";
      EXPECT_TRUE(std::all_of(end, now.end(), guarded))
          << "something was written behind a tensor of " << placed.end - placed.begin << " bytes";
    }
    placed_.clear();
  }

  template <class Compute, class Check>
  void with_teams(std::initializer_list<int> team_sizes, const Compute& compute, const Check& check,
                  Alignment alignment) {
    std::map<std::size_t, decltype(compute())> first;  // by shift, if that matters
    for (const int threads : team_sizes) {
      use_team(threads);
      for (const std::size_t shift : {0, 1}) {
        shift_ = shift;
        const auto result = compute();
        expect_guards();
        const auto [at, fresh] = first.emplace(alignment == Alignment::matters ? shift : 0, result);
        if (fresh) {
          check(result);
        }
        ASSERT_EQ(
            std::memcmp(at->second.data(), result.data(), result.size() * sizeof(result.front())),
            0)
            << "other bits with " << threads << " threads, shifted by " << shift;
      }
    }
    shift_ = 0;
  }

  std::map<int, Machine> machines_;  // by threads
  Machine* machine_ = nullptr;
  std::vector<Placed> placed_;  // after the machines: freed before them
  std::size_t shift_ = 0;
};

}  // namespace lockflight::ops
