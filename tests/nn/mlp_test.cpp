#include "lockflight/nn/mlp.h"

#include <string>
#include <vector>

#include "lockflight/core/error.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::ElementsAre;

class MlpTest : public OnCpu {};

TEST_F(MlpTest, IsAListOfMatricesWithGeluBetween) {
  const Model model = mlp({.inputs = 3, .hidden = 5, .outputs = 2, .layers = 3});
  std::vector<std::string> names;
  std::vector<Shape> shapes;
  for (const Parameter* parameter : model.parameters()) {
    names.push_back(parameter->name());
    shapes.push_back(parameter->spec().shape);
  }
  EXPECT_EQ(model.layers().size(), 3U);
  EXPECT_EQ(names.front(), "layers.0.linear.weight");
  EXPECT_THAT(shapes,
              ElementsAre(Shape{3, 5}, Shape{5}, Shape{5, 5}, Shape{5}, Shape{5, 2}, Shape{2}));
  EXPECT_THAT(model.rows().inputs, ElementsAre(TensorSpec{{3}}));
  EXPECT_THAT(model.rows().targets, ElementsAre(TensorSpec{{2}}));
}

TEST_F(MlpTest, EveryLayerHasTheRightGradients) {
  const Model model = mlp({.inputs = 3, .hidden = 5, .outputs = 2, .layers = 3});
  EXPECT_THAT(findings(*model.layers()[0].layer, {{4, 3}}), testing::IsEmpty());
  EXPECT_THAT(findings(*model.layers()[2].layer, {{4, 5}}), testing::IsEmpty());
}

TEST_F(MlpTest, RefusesSizesThatCannotWork) {
  EXPECT_THROW(mlp({.inputs = 0, .hidden = 5, .outputs = 2}), InvalidArgument);
  EXPECT_THROW(mlp({.inputs = 3, .hidden = 0, .outputs = 2}), InvalidArgument);
  EXPECT_THROW(mlp({.inputs = 3, .hidden = 5, .outputs = 0}), InvalidArgument);
  EXPECT_THROW(mlp({.inputs = 3, .hidden = 5, .outputs = 2, .layers = 0}), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
