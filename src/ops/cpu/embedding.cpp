#include "ops/cpu/embedding.h"

#include <fmt/core.h>

#include "lockflight/core/error.h"

namespace lockflight::ops::cpu {
namespace {

// Every token touches one row only, so a table's gradient is cut by columns: a thread adds its
// columns of all tokens in their order.
constexpr std::int64_t kColumnsPerPiece = 64;

void check_tokens(const std::int32_t* tokens, EmbeddingShape shape) {
  for (std::int64_t i = 0; i < shape.batch * shape.length; ++i) {
    if (tokens[i] < 0 || tokens[i] >= shape.vocabulary) {
      throw InvalidArgument(
          fmt::format("embedding: token {} at position {} is outside the vocabulary of {}",
                      tokens[i], i, shape.vocabulary));
    }
  }
}

}  // namespace

void embedding(Team& team, Values y, const std::int32_t* tokens, const float* token_table,
               const float* position_table, EmbeddingShape shape) {
  check_tokens(tokens, shape);
  const std::int64_t C = shape.channels;
  const MatrixShape rows{.rows = shape.batch * shape.length, .columns = C};
  for_each_piece(team, rows.rows, rows_per_piece(rows), [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    float* row = tile.write(y, begin * C, (end - begin) * C);
    for (std::int64_t i = begin; i < end; ++i, row += C) {
      const float* token = token_table + tokens[i] * C;
      if (position_table == nullptr) {
        std::copy_n(token, C, row);
        continue;
      }
      const float* position = position_table + i % shape.length * C;
      for (std::int64_t j = 0; j < C; ++j) {
        row[j] = token[j] + position[j];
      }
    }
  });
}

void embedding_backward(Team& team, float* dtoken_table, float* dposition_table, ConstValues dy,
                        const std::int32_t* tokens, EmbeddingShape shape) {
  check_tokens(tokens, shape);
  const std::int64_t C = shape.channels;
  for_each_piece(team, C, kColumnsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t part = end - begin;
    for (std::int64_t i = 0; i < shape.batch * shape.length; ++i) {
      Tile tile;
      const float* gradient = tile.read(dy, i * C + begin, part);
      float* token = dtoken_table + tokens[i] * C + begin;
      for (std::int64_t j = 0; j < part; ++j) {
        token[j] += gradient[j];
      }
      if (dposition_table != nullptr) {
        float* position = dposition_table + i % shape.length * C + begin;
        for (std::int64_t j = 0; j < part; ++j) {
          position[j] += gradient[j];
        }
      }
    }
  });
}

}  // namespace lockflight::ops::cpu
