#include "lockflight/nn/head.h"

#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class HeadTest : public OnCpu {};

TEST_F(HeadTest, MultipliesByTheTransposedTable) {
  Head layer({.width = 2, .vocabulary = 3, .weight = ones()});
  materialize(layer);
  write<float>(layer.parameters()[0]->value(), {1, 0, 0, 1, 1, 1});
  const Tensor y = layer.forward(context_, tensor<float>({{1, 2}}, {5, 7}), saved_);
  EXPECT_THAT(read(y), testing::ElementsAre(5, 7, 12));
}

TEST_F(HeadTest, HasTheRightGradients) {
  Head layer({.width = 6, .vocabulary = 11});
  EXPECT_THAT(findings(layer, {{2, 3, 6}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
