#include "lockflight/ops/attention.h"

#include <fmt/format.h>

#include "ops/cpu/attention.h"
#include "ops/cuda/attention.h"
#include "ops/front_door.h"

namespace lockflight::ops {

namespace {

cpu::AttentionShape attention_shape(const Check& check, const TensorView& y,
                                    const TensorView& log_sum_exp, const TensorView& qkv,
                                    AttentionHeads heads) {
  check.rank("y", y, 3, "[B, T, C]");
  const std::int64_t B = y.shape()[0];
  const std::int64_t T = y.shape()[1];
  const std::int64_t C = y.shape()[2];
  const auto [H, K] = heads;
  if (H < 1 || C % H != 0) {
    check.refuse(fmt::format("{} heads do not divide the {} channels of y evenly", H, C));
  }
  if (K < 1 || H % K != 0) {
    check.refuse(fmt::format("{} heads cannot share {} heads of keys and values evenly", H, K));
  }
  check.shape("qkv", qkv, {B, T, C + 2 * K * (C / H)}, "to match y and the heads");
  check.shape("log_sum_exp", log_sum_exp, {B, H, T}, "to match y");
  return {.batch = B, .length = T, .heads = H, .key_value_heads = K, .channels = C};
}

// Of a product over all pairs of positions, the half that the mask leaves.
double flops_of_products(cpu::AttentionShape shape, int products) {
  const auto pairs = static_cast<double>(shape.batch * shape.length * (shape.length + 1)) / 2.0;
  return products * 2.0 * pairs * static_cast<double>(shape.channels);
}

}  // namespace

void attention(Stream& stream, const TensorView& y, const TensorView& log_sum_exp,
               const TensorView& qkv, AttentionHeads heads) {
  const cpu::AttentionShape shape = attention_shape(Check("attention"), y, log_sum_exp, qkv, heads);
  OpCost cost = cost_per_element("attention", 0.0, {y, log_sum_exp, qkv});
  cost.flops = flops_of_products(shape, 2);
  launch(
      stream, cost,
      [=](cpu::Team& team) {
        cpu::attention(team, y.as<float>(), log_sum_exp.as<float>(), qkv.as<float>(), shape);
      },
      [&](auto& queue) { cuda::attention(queue, y, log_sum_exp, qkv, heads); });
}

void attention_backward(Stream& stream, const TensorView& dqkv, const TensorView& dy,
                        const TensorView& y, const TensorView& log_sum_exp, const TensorView& qkv,
                        AttentionHeads heads) {
  const Check check("attention_backward");
  const cpu::AttentionShape shape = attention_shape(check, y, log_sum_exp, qkv, heads);
  check.shape("dy", dy, y.shape(), "to match y");
  check.shape("dqkv", dqkv, qkv.shape(), "to match qkv");
  OpCost cost = cost_per_element("attention_backward", 0.0, {dqkv, dy, y, log_sum_exp, qkv});
  cost.flops = flops_of_products(shape, 5);
  launch(
      stream, cost,
      [=](cpu::Team& team) {
        cpu::attention_backward(team, dqkv.as<float>(), dy.as<float>(), y.as<float>(),
                                log_sum_exp.as<float>(), qkv.as<float>(), shape);
      },
      [&](auto& queue) { cuda::attention_backward(queue, dqkv, dy, y, log_sum_exp, qkv, heads); });
}

}  // namespace lockflight::ops
