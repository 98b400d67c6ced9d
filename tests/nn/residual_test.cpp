#include "lockflight/nn/residual.h"

#include "lockflight/nn/dropout.h"
#include "lockflight/nn/gelu.h"
#include "lockflight/nn/linear.h"
#include "lockflight/nn/sequential.h"
#include "nn/identity.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class ResidualTest : public OnCpu {};

TEST_F(ResidualTest, OfAnIdentityDoublesAndLeavesXAsItIs) {
  Residual layer(std::make_unique<Identity>());
  const Tensor x = tensor<float>({{3}}, {1, 2, 3});
  EXPECT_THAT(read(layer.forward(context_, x.share(), saved_)), testing::ElementsAre(2, 4, 6));
  EXPECT_THAT(read(layer.backward_input(context_, x.share(), saved_)),
              testing::ElementsAre(2, 4, 6));
  EXPECT_THAT(read(x), testing::ElementsAre(1, 2, 3));
}

TEST_F(ResidualTest, HasTheRightGradients) {
  auto f = std::make_unique<Sequential>();
  f->add("linear", std::make_unique<Linear>(LinearConfig{.inputs = 6, .outputs = 6}));
  f->add("gelu", std::make_unique<Gelu>());
  f->add("dropout", std::make_unique<Dropout>(0.25F));
  Residual layer(std::move(f));
  EXPECT_EQ(layer.parameters().at(0)->name(), "linear.weight");
  EXPECT_THAT(findings(layer, {{4, 6}}), testing::IsEmpty());
  Residual plain(std::make_unique<Identity>());
  EXPECT_THAT(findings(plain, {{4, 6}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
