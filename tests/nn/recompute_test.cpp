#include "lockflight/nn/recompute.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockflight/device/meta_device.h"
#include "lockflight/nn/attention_half.h"
#include "lockflight/nn/dropout.h"
#include "lockflight/nn/embedding.h"
#include "lockflight/nn/gelu.h"
#include "lockflight/nn/linear.h"
#include "lockflight/nn/mlp_half.h"
#include "lockflight/nn/residual.h"
#include "lockflight/nn/sequential.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Case {
  std::string name;
  std::function<std::unique_ptr<Layer>()> make;
  TensorSpec input;
};

void PrintTo(const Case& subject, std::ostream* out) { *out << subject.name; }

std::unique_ptr<Layer> nested() {
  auto f = std::make_unique<Sequential>();
  f->add("dropout", std::make_unique<Dropout>(0.5F));
  f->add("linear", std::make_unique<Linear>(LinearConfig{.inputs = 6, .outputs = 6}));
  f->add("again", std::make_unique<Recompute>(std::make_unique<Gelu>()));
  return std::make_unique<Residual>(std::move(f));
}

const std::vector<Case>& cases() {
  static const std::vector<Case> cases = {
      {"attention",
       [] {
         return std::make_unique<AttentionHalf>(
             SelfAttentionConfig{.width = 8, .heads = 2, .dropout = 0.25F});
       },
       {{2, 5, 8}}},
      {"mlp",
       [] {
         return std::make_unique<MlpHalf>(
             MlpHalfConfig{.width = 6, .hidden = 12, .dropout = 0.25F});
       },
       {{4, 6}}},
      {"nested", nested, {{4, 6}}},
      {"dropout", [] { return std::make_unique<Dropout>(0.5F); }, {{4, 6}}},
  };
  return cases;
}

class RecomputeTest : public OnCpu, public testing::WithParamInterface<Case> {
 protected:
  struct Results {
    std::vector<float> y;
    std::vector<float> dx;
    std::vector<std::vector<float>> gradients;

    friend bool operator==(const Results&, const Results&) = default;
  };

  // Of two micro-batches under way at once.
  std::vector<Results> results_of(Layer& layer) {
    materialize(layer);
    context_.seed = 7;
    context_.layer = 3;
    std::vector<Results> results;
    std::vector<Saved> saved(2);
    const auto count = GetParam().input.elements();
    for (std::uint32_t i = 0; i < 2; ++i) {
      context_.micro_batch = i;
      Tensors x;
      x.push_back(tensor<float>(GetParam().input, random_values(count, 10 + i)));
      Tensors y = layer.forward_all(context_, std::move(x), saved[i]);
      results.push_back({.y = read(y.at(0)), .dx = {}, .gradients = {}});
    }
    for (std::uint32_t i = 0; i < 2; ++i) {
      context_.micro_batch = i;
      Tensors dy;
      dy.push_back(tensor<float>(GetParam().input, random_values(count, 20 + i)));
      const Tensors dx = layer.backward_input_all(context_, std::move(dy), saved[i]);
      results[i].dx = read(dx.at(0));
      layer.backward_weight(context_, saved[i]);
      for (const Parameter* parameter : layer.parameters()) {
        results[i].gradients.push_back(read(parameter->grad()));
      }
    }
    return results;
  }
};

TEST_P(RecomputeTest, GivesTheBitsOfTheLayer) {
  const auto plain = GetParam().make();
  Recompute again(GetParam().make());
  EXPECT_EQ(results_of(again), results_of(*plain));
}

TEST_P(RecomputeTest, HasTheRightGradients) {
  Recompute layer(GetParam().make());
  EXPECT_THAT(findings(layer, GetParam().input), IsEmpty());
}

TEST_P(RecomputeTest, KeepsNothingButItsInputAndFreesItInTheEnd) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Recompute layer(GetParam().make());
  for (Parameter* parameter : layer.parameters()) {
    parameter->materialize(*device, *stream, 1);
  }
  const std::size_t before = device->memory().in_use_bytes;
  Context context(*stream);
  Saved saved;
  Tensors x;
  x.push_back(device->empty(GetParam().input));
  Tensors y = layer.forward_all(context, std::move(x), saved);
  y.clear();
  EXPECT_EQ(device->memory().in_use_bytes - before, aligned_bytes(GetParam().input.bytes()));
  Tensors dy;
  dy.push_back(device->empty(GetParam().input));
  layer.backward_input_all(context, std::move(dy), saved);
  layer.backward_weight(context, saved);
  saved = {};
  EXPECT_EQ(device->memory().in_use_bytes, before);
}

INSTANTIATE_TEST_SUITE_P(Of, RecomputeTest, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

class RecomputeOnCpuTest : public OnCpu {};

TEST_F(RecomputeOnCpuTest, PassesOnThatTokensHaveNoGradient) {
  Recompute layer(
      std::make_unique<Embedding>(EmbeddingConfig{.vocabulary = 5, .context = 3, .width = 4}));
  EXPECT_THAT(
      gradient_check(*device_, layer, {{{2, 3}, DType::i32}}, {.integers_below = 5}).findings,
      IsEmpty());
}

TEST_F(RecomputeOnCpuTest, HasTheParametersOfTheLayerAndGivesItBack) {
  auto linear = std::make_unique<Linear>(LinearConfig{.inputs = 2, .outputs = 3});
  const Layer* const inside = linear.get();
  const auto parameters = linear->parameters();
  Recompute layer(std::move(linear));
  EXPECT_EQ(layer.parameters(), parameters);
  EXPECT_EQ(layer.take().get(), inside);
}

}  // namespace
}  // namespace lockflight::nn
