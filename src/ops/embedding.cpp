#include "lockflight/ops/embedding.h"

#include <fmt/format.h>

#include "ops/cpu/embedding.h"
#include "ops/cuda/embedding.h"
#include "ops/front_door.h"

namespace lockflight::ops {

namespace {

// `output` and the tables are y and the weights, or their gradients.
cpu::EmbeddingShape embedding_shape(const Check& check, const TensorView& output,
                                    const TensorView& tokens, const TensorView& token_table,
                                    const TensorView& position_table) {
  check.rank("tokens", tokens, 2, "[B, T]", DType::i32);
  check.rank("the token table", token_table, 2, "[V, C]");
  const std::int64_t B = tokens.shape()[0];
  const std::int64_t T = tokens.shape()[1];
  const std::int64_t C = token_table.shape()[1];
  check.shape("the output", output, {B, T, C}, "to match the tokens and their table");
  if (position_table) {
    check.rank("the position table", position_table, 2, "[positions, C]");
    const std::int64_t positions = position_table.shape()[0];
    if (positions < T) {
      check.refuse(
          fmt::format("the position table has {} positions, but there are {} tokens in a "
                      "row",
                      positions, T));
    }
    check.shape("the position table", position_table, {positions, C}, "to match the token table");
  }
  return {.batch = B, .length = T, .channels = C, .vocabulary = token_table.shape()[0]};
}

// The part of the position table that is used; a row of the token table for every token is as large
// as y.
TensorView positions_read(const TensorView& position_table, cpu::EmbeddingShape shape) {
  return position_table ? position_table.slice(0, shape.length) : TensorView();
}

}  // namespace

void embedding(Stream& stream, const TensorView& y, const TensorView& tokens,
               const TensorView& token_table, const TensorView& position_table) {
  const cpu::EmbeddingShape shape =
      embedding_shape(Check("embedding"), y, tokens, token_table, position_table);
  launch(
      stream,
      cost_per_element("embedding", position_table ? 1.0 : 0.0,
                       {y, y, tokens, positions_read(position_table, shape)}),
      [=](cpu::Team& team) {
        cpu::embedding(team, y.as<float>(), tokens.as<std::int32_t>(), token_table.as<float>(),
                       position_table.as<float>(), shape);
      },
      [&](auto& queue) { cuda::embedding(queue, y, tokens, token_table, position_table); });
}

void embedding_backward(Stream& stream, const TensorView& dtoken_table,
                        const TensorView& dposition_table, const TensorView& dy,
                        const TensorView& tokens) {
  const cpu::EmbeddingShape shape =
      embedding_shape(Check("embedding_backward"), dy, tokens, dtoken_table, dposition_table);
  const TensorView positions = positions_read(dposition_table, shape);
  launch(
      stream,
      cost_per_element("embedding_backward", positions ? 2.0 : 1.0,
                       {dy, dy, dy, tokens, positions, positions}),
      [=](cpu::Team& team) {
        cpu::embedding_backward(team, dtoken_table.as<float>(), dposition_table.as<float>(),
                                dy.as<float>(), tokens.as<std::int32_t>(), shape);
      },
      [&](auto& queue) {
        cuda::embedding_backward(queue, dtoken_table, dposition_table, dy, tokens);
      });
}

}  // namespace lockflight::ops
