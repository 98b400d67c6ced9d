#include "lockflight/plan/estimate_profile.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/nn/gpt2.h"

namespace lockflight::plan {
namespace {

DeviceProfile slow_device() {
  return {.name = "slow",
          .matrix_flops_per_second = 100,
          .vector_flops_per_second = 10,
          .bytes_per_second = 20,
          .launch_seconds = 0.5,
          .operations = {{"matmul", {true, 0.5, 1}}, {"other", {false, 1, 2}}}};
}

std::vector<std::pair<std::string, DType>> names_and_types() {
  std::vector<std::pair<std::string, DType>> all;
  for (const std::string& name : device_profile_names()) {
    all.insert(all.end(), {{name, DType::f32}, {name, DType::bf16}});
  }
  return all;
}

TEST(EstimateProfileTest, AddsUpLaunchesUnderTheRoofline) {
  const LayerProfile layer{
      .name = "one",
      .parameters = 3,
      .outputs = {{{2, 3}}, {{5}, DType::i32}},
      .forward = {{"matmul", 1, 500, 40},      // 10 s at half of 100 flop/s; 2 s of bytes
                  {"matmul", 2, 50, 400},      // 1 s; 20 s of bytes, twice
                  {"gelu", 3, 20, 40}},        // 2 s at 10 flop/s; 1 s at twice 20 byte/s, thrice
      .input_gradient = {{"copy", 1, 0, 80}},  // 2 s of bytes
      .weight_gradient = {},
      .memory = {.parameter_bytes = 256, .forward_peak_bytes = 512}};
  const Profile profile = estimate_profile({layer}, 2, slow_device());
  EXPECT_EQ(profile.device, "slow");
  EXPECT_FALSE(profile.measured);
  EXPECT_EQ(profile.rows, 2);
  ASSERT_EQ(profile.layers.size(), 1U);
  EXPECT_EQ(profile.layers[0],
            (LayerCost{.name = "one",
                       .parameters = 3,
                       .output_bytes = 4 * (6 + 5),
                       .output_gradient_bytes = 4 * 6,
                       .memory = layer.memory,
                       .seconds = {.forward = (0.5 + 10) + 2 * (0.5 + 20) + 3 * (0.5 + 2),
                                   .input_gradient = 0.5 + 2,
                                   .weight_gradient = 0}}));
}

TEST(EstimateProfileTest, ProductsOfBf16HaveARateOfTheirOwn) {
  const LayerProfile layer{.name = "one",
                           .forward = {{"matmul", 1, 500, 40, DType::bf16}},
                           .input_gradient = {{"matmul", 1, 500, 40}},
                           .weight_gradient = {{"gelu", 1, 20, 40, DType::bf16}}};
  DeviceProfile device = slow_device();
  const LayerSeconds as_in_f32{
      .forward = 0.5 + 10, .input_gradient = 0.5 + 10, .weight_gradient = 0.5 + 2};
  EXPECT_EQ(estimate_profile({layer}, 2, device).layers.at(0).seconds, as_in_f32);
  device.bf16_matrix_flops_per_second = 250;
  const LayerSeconds faster{
      .forward = 0.5 + 4, .input_gradient = 0.5 + 10, .weight_gradient = 0.5 + 2};
  EXPECT_EQ(estimate_profile({layer}, 2, device).layers.at(0).seconds, faster);
}

// A block of GPT-3 has 24 B T C² operations in products and 4 B T² C / 2 in attention forward; on
// any device that takes longer than at its full rate.
TEST(EstimateProfileTest, IsNeverFasterThanTheDevice) {
  for (const auto& [name, dtype] : names_and_types()) {
    nn::Model model = nn::gpt2({.vocabulary = 50257,
                                .context = 2048,
                                .layers = 2,
                                .heads = 96,
                                .width = 12288,
                                .dtype = dtype});
    const DeviceProfile device = device_profile(name);
    const Profile profile = estimate_profile(dry_run(model, 1), 1, device);
    double forward = 0;
    double backward = 0;
    for (std::size_t i = 1; i <= 4; ++i) {  // the half blocks
      forward += profile.layers[i].seconds.forward;
      backward +=
          profile.layers[i].seconds.input_gradient + profile.layers[i].seconds.weight_gradient;
    }
    const double products = 2 * 24 * 2048.0 * std::pow(12288.0, 2);
    const double rate = device.flops_per_second({.matrix = true}, dtype);
    EXPECT_GT(forward, products / rate) << name;
    EXPECT_LT(forward, 3 * products / rate) << name;
    EXPECT_NEAR(backward / forward, 2, 0.2) << name;
  }
}

}  // namespace
}  // namespace lockflight::plan
