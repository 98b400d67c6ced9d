#include "ops/cpu/attention.h"

#include <array>
#include <cmath>
#include <span>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/sgemm.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

// Turns one row of scores, in units of log 2, into weights 2^(score - max), and brings what this
// row has gathered from earlier keys to the new maximum: its sum and its row of y. Of the row's
// `stride` scores `visible` count; the others become 0.
void online_softmax_row(float* scores, std::int64_t visible, std::int64_t stride, float* max,
                        float* sum, float* y, std::int64_t D) {
  FloatVector row_max = constant(*max);
  for_each_vector(visible, [&](std::int64_t j, auto part) HWY_ATTR {
    row_max = hn::Max(row_max, load(scores + j, part, scores[0]));
  });
  const float new_max = max_of(row_max);
  FloatVector row_sum = constant(0.0F);
  for_each_vector(visible, [&](std::int64_t j, auto part) HWY_ATTR {
    const FloatVector weight = exp2(load(scores + j, part) - constant(new_max));
    row_sum = row_sum + keep(weight, part);
    store(weight, scores + j, part);
  });
  std::fill(scores + visible, scores + stride, 0.0F);
  if (new_max != *max && *sum > 0.0F) {
    const float correction = std::exp2(*max - new_max);
    *sum *= correction;
    for_each_vector(D, [&](std::int64_t d, auto part) HWY_ATTR {
      store(load(y + d, part) * constant(correction), y + d, part);
    });
  }
  *sum += sum_of(row_sum);
  *max = new_max;
}

// y = y / sum
void divide_row(float* y, float sum, std::int64_t D) {
  const FloatVector factor = constant(1.0F / sum);
  for_each_vector(D, [&](std::int64_t d, auto part)
                         HWY_ATTR { store(load(y + d, part) * factor, y + d, part); });
}

float dot(const float* x, const float* y, std::int64_t count) {
  FloatVector sum = constant(0.0F);
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    sum = hn::MulAdd(load(x + i, part), load(y + i, part), sum);
  });
  return sum_of(sum);
}

// For one row: scores (units of log 2) become weights p = 2^(score - log_sum_exp), and dweights
// become dscores = p (dweight - delta) scale. Beyond `visible` both become 0.
void softmax_backward_row(float* scores, float* dweights, std::int64_t visible, std::int64_t stride,
                          float log_sum_exp, float delta, float scale) {
  for_each_vector(visible, [&](std::int64_t j, auto part) HWY_ATTR {
    const FloatVector weight = exp2(load(scores + j, part) - constant(log_sum_exp));
    store(weight, scores + j, part);
    store(weight * constant(scale) * (load(dweights + j, part) - constant(delta)), dweights + j,
          part);
  });
  std::fill(scores + visible, scores + stride, 0.0F);
  std::fill(dweights + visible, dweights + stride, 0.0F);
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(online_softmax_row);
HWY_EXPORT(divide_row);
HWY_EXPORT(dot);
HWY_EXPORT(softmax_backward_row);

// Measured at T = 256, D = 64: 64 queries are 12 % faster than 128, since fewer products lie beyond
// the diagonal.
constexpr std::int64_t kQueriesPerBlock = 64;
constexpr std::int64_t kKeysPerBlock = 512;
constexpr float kLog2E = 1.44269504F;
constexpr float kLn2 = 0.693147181F;

// Where one head of one sequence, and the keys and values that it sees, lie.
struct Head {
  std::int64_t T;
  std::int64_t C;
  std::int64_t D;
  std::int64_t stride_qkv;   // from one position to the next in [B, T, H + 2 K, D]
  std::int64_t first;        // offset of channel 0 of the head at t = 0 in [B, T, H, D]
  std::int64_t first_query;  // the same in [B, T, H + 2 K, D]
  std::int64_t first_key;
  std::int64_t first_value;
  std::int64_t first_row;  // offset in [B, H, T]

  Head(AttentionShape shape, std::int64_t b, std::int64_t h)
      : T(shape.length),
        C(shape.channels),
        D(C / shape.heads),
        stride_qkv(C + 2 * shape.key_value_heads * D),
        first(b * T * C + h * D),
        first_query(b * T * stride_qkv + h * D),
        first_key(b * T * stride_qkv + C + h * shape.key_value_heads / shape.heads * D),
        first_value(first_key + shape.key_value_heads * D),
        first_row((b * shape.heads + h) * T) {}

  std::int64_t query(std::int64_t t) const { return first_query + t * stride_qkv; }
  std::int64_t key(std::int64_t t) const { return first_key + t * stride_qkv; }
  std::int64_t value(std::int64_t t) const { return first_value + t * stride_qkv; }
  std::int64_t output(std::int64_t t) const { return first + t * C; }
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(D)); }
};

// Queries begin … end - 1 of a head against keys first_key … last_key - 1.
struct Block {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t first_key;
  std::int64_t last_key;

  std::int64_t queries() const { return end - begin; }
  std::int64_t keys() const { return last_key - first_key; }
  /// How many of the keys query t sees.
  std::int64_t visible(std::int64_t t) const {
    return std::clamp<std::int64_t>(t + 1 - first_key, 0, keys());
  }
};

template <class Body>
void for_each_key_block(std::int64_t begin, std::int64_t end, const Body& body) {
  for (std::int64_t first = 0; first < end; first += kKeysPerBlock) {
    body(Block{begin, end, first, std::min(end, first + kKeysPerBlock)});
  }
}

// scores [queries, keys] = q k^T log2(e) / sqrt(D)
void score(float* scores, const float* qkv, const Head& head, const Block& block) {
  sgemm({.m = block.queries(), .n = block.keys(), .k = head.D}, head.scale() * kLog2E,
        {qkv + head.query(block.begin), head.stride_qkv},
        {qkv + head.key(block.first_key), head.stride_qkv, true}, 0.0F, scores, block.keys());
}

void attend(float* y, float* log_sum_exp, const float* qkv, const Head& head, std::int64_t begin) {
  const std::int64_t end = std::min(head.T, begin + kQueriesPerBlock);
  float* scores = thread_scratch(kQueriesPerBlock * kKeysPerBlock).data();
  float max[kQueriesPerBlock];
  float sum[kQueriesPerBlock];
  std::fill_n(max, kQueriesPerBlock, -INFINITY);
  std::fill_n(sum, kQueriesPerBlock, 0.0F);
  for_each_key_block(begin, end, [&](const Block& block) {
    score(scores, qkv, head, block);
    for (std::int64_t t = begin; t < end; ++t) {
      HWY_DYNAMIC_DISPATCH(online_softmax_row)
      (scores + (t - begin) * block.keys(), block.visible(t), block.keys(), max + (t - begin),
       sum + (t - begin), y + head.output(t), head.D);
    }
    sgemm({.m = block.queries(), .n = head.D, .k = block.keys()}, 1.0F, {scores, block.keys()},
          {qkv + head.value(block.first_key), head.stride_qkv}, block.first_key == 0 ? 0.0F : 1.0F,
          y + head.output(begin), head.C);
  });
  for (std::int64_t t = begin; t < end; ++t) {
    HWY_DYNAMIC_DISPATCH(divide_row)(y + head.output(t), sum[t - begin], head.D);
    log_sum_exp[head.first_row + t] = kLn2 * max[t - begin] + std::log(sum[t - begin]);
  }
}

// The gradients that queries begin … cause. Of heads that share their keys, `first_of_group` comes
// first, and of its blocks of queries, which come in descending order, the first one meets all keys
// and sets dk and dv; the others add to them.
void attend_backward(float* dqkv, const float* dy, const float* y, const float* log_sum_exp,
                     const float* qkv, const Head& head, bool first_of_group, std::int64_t begin) {
  const std::int64_t end = std::min(head.T, begin + kQueriesPerBlock);
  const std::int64_t D = head.D;
  const std::int64_t stride = head.stride_qkv;
  const float gather = first_of_group && end == head.T ? 0.0F : 1.0F;
  float* scores = thread_scratch(2 * kQueriesPerBlock * kKeysPerBlock).data();
  float* dscores = scores + kQueriesPerBlock * kKeysPerBlock;
  float delta[kQueriesPerBlock];
  for (std::int64_t t = begin; t < end; ++t) {
    delta[t - begin] = HWY_DYNAMIC_DISPATCH(dot)(dy + head.output(t), y + head.output(t), D);
  }
  for_each_key_block(begin, end, [&](const Block& block) {
    const std::int64_t queries = block.queries();
    const std::int64_t keys = block.keys();
    score(scores, qkv, head, block);
    const Operand dy_block{dy + head.output(begin), head.C};
    sgemm({.m = queries, .n = keys, .k = D}, 1.0F, dy_block,
          {qkv + head.value(block.first_key), stride, true}, 0.0F, dscores, keys);
    for (std::int64_t t = begin; t < end; ++t) {
      HWY_DYNAMIC_DISPATCH(softmax_backward_row)
      (scores + (t - begin) * keys, dscores + (t - begin) * keys, block.visible(t), keys,
       kLog2E * log_sum_exp[head.first_row + t], delta[t - begin], head.scale());
    }
    sgemm({.m = keys, .n = D, .k = queries}, 1.0F, {scores, keys, true}, dy_block, gather,
          dqkv + head.value(block.first_key), stride);
    sgemm({.m = keys, .n = D, .k = queries}, 1.0F, {dscores, keys, true},
          {qkv + head.query(begin), stride}, gather, dqkv + head.key(block.first_key), stride);
    sgemm({.m = queries, .n = D, .k = keys}, 1.0F, {dscores, keys},
          {qkv + head.key(block.first_key), stride}, block.first_key == 0 ? 0.0F : 1.0F,
          dqkv + head.query(begin), stride);
  });
}

// Of each of some positions, `width` channels in bf16.
struct Channels {
  std::int64_t first;   // at position 0
  std::int64_t stride;  // from one position to the next
  std::int64_t width;
};

// Heads of one sequence that see the same keys and values, by themselves: in bf16 they are widened
// into scratch as if they were a sequence with no other heads, and rounded from there.
struct Group {
  Group(const Head& first, std::int64_t heads)
      : shape{.batch = 1,
              .length = first.T,
              .heads = heads,
              .key_value_heads = 1,
              .channels = heads * first.D},
        qkv{{{first.first_query, first.stride_qkv, shape.channels},
             {first.first_key, first.stride_qkv, first.D},
             {first.first_value, first.stride_qkv, first.D}}},
        y{{{first.first, first.C, shape.channels}}} {}

  AttentionShape shape;
  std::array<Channels, 3> qkv;  // where these and their gradients lie
  std::array<Channels, 1> y;
};

float* scratch_for(const Group& group, std::span<const Channels> channels, std::size_t buffer) {
  std::int64_t width = 0;
  for (const Channels& run : channels) {
    width += run.width;
  }
  return thread_scratch(group.shape.length * width, buffer).data();
}

float* widened(const Group& group, ConstValues from, std::span<const Channels> channels,
               std::size_t buffer) {
  float* const wide = scratch_for(group, channels, buffer);
  float* to = wide;
  for (std::int64_t t = 0; t < group.shape.length; ++t) {
    for (const auto& [first, stride, width] : channels) {
      widen(to, from.bf16(first + t * stride), width);
      to += width;
    }
  }
  return wide;
}

void round_from(const float* wide, const Group& group, Values to,
                std::span<const Channels> channels) {
  for (std::int64_t t = 0; t < group.shape.length; ++t) {
    for (const auto& [first, stride, width] : channels) {
      round_to_bf16(to.bf16(first + t * stride), wide, width);
      wide += width;
    }
  }
}

void attend_all(float* y, float* log_sum_exp, const float* qkv, const Head& head) {
  for (std::int64_t begin = 0; begin < head.T; begin += kQueriesPerBlock) {
    attend(y, log_sum_exp, qkv, head, begin);
  }
}

void attend_all_backward(float* dqkv, const float* dy, const float* y, const float* log_sum_exp,
                         const float* qkv, const Head& head, bool first_of_group) {
  const std::int64_t last = (head.T - 1) / kQueriesPerBlock * kQueriesPerBlock;
  for (std::int64_t begin = last; begin >= 0; begin -= kQueriesPerBlock) {
    attend_backward(dqkv, dy, y, log_sum_exp, qkv, head, first_of_group, begin);
  }
}

}  // namespace

void attention(Team& team, Values y, float* log_sum_exp, ConstValues qkv, AttentionShape shape) {
  team.parallel_for(shape.batch * shape.heads, [&](std::int64_t index) {
    const Head head(shape, index / shape.heads, index % shape.heads);
    if (qkv.is_f32()) {
      attend_all(y.f32(), log_sum_exp, qkv.f32(), head);
      return;
    }
    const Group alone(head, 1);
    float* wide_y = scratch_for(alone, alone.y, 1);
    const float* wide_qkv = widened(alone, qkv, alone.qkv, 2);
    attend_all(wide_y, log_sum_exp + head.first_row, wide_qkv, Head(alone.shape, 0, 0));
    round_from(wide_y, alone, y, alone.y);
  });
}

void attention_backward(Team& team, Values dqkv, ConstValues dy, ConstValues y,
                        const float* log_sum_exp, ConstValues qkv, AttentionShape shape) {
  const std::int64_t heads = shape.heads / shape.key_value_heads;  // that share their keys
  team.parallel_for(shape.batch * shape.key_value_heads, [&](std::int64_t index) {
    const std::int64_t b = index / shape.key_value_heads;
    const std::int64_t h = index % shape.key_value_heads * heads;
    if (qkv.is_f32()) {
      for (std::int64_t i = 0; i < heads; ++i) {
        attend_all_backward(dqkv.f32(), dy.f32(), y.f32(), log_sum_exp, qkv.f32(),
                            Head(shape, b, h + i), i == 0);
      }
      return;
    }
    const Head first(shape, b, h);
    const Group group(first, heads);
    float* wide_dqkv = scratch_for(group, group.qkv, 1);
    const float* wide_dy = widened(group, dy, group.y, 2);
    const float* wide_y = widened(group, y, group.y, 3);
    const float* wide_qkv = widened(group, qkv, group.qkv, 4);
    for (std::int64_t i = 0; i < heads; ++i) {
      attend_all_backward(wide_dqkv, wide_dy, wide_y, log_sum_exp + first.first_row, wide_qkv,
                          Head(group.shape, 0, i), i == 0);
    }
    round_from(wide_dqkv, group, dqkv, group.qkv);
  });
}

}  // namespace lockflight::ops::cpu
#endif
