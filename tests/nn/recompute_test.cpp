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

  // Of two micro-batches under way at once; `between` may do something before each backward.
  std::vector<Results> results_of(Layer& layer,
                                  const std::function<void(Context&, Saved&)>& between = {}) {
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
      if (between) {
        between(context_, saved[i]);
      }
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

TEST_P(RecomputeTest, GivesTheBitsOfTheLayerWhenItRunsAgainAhead) {
  const auto plain = GetParam().make();
  Recompute again(GetParam().make());
  const auto run_again = [&](Context& context, Saved& saved) {
    again.run_again(context, saved);
    again.run_again(context, saved);  // does nothing
  };
  EXPECT_EQ(results_of(again, run_again), results_of(*plain));
}

TEST_P(RecomputeTest, HasTheRightGradients) {
  Recompute layer(GetParam().make());
  EXPECT_THAT(findings(layer, GetParam().input), IsEmpty());
}

// What is in use behind forward, running again, I and W: above that before forward, and without
// the tensors that came in and went out.
struct Kept {
  std::size_t after_forward = 0;
  std::size_t after_running_again = 0;
  std::size_t after_input_gradient = 0;
  std::size_t after_weight_gradient = 0;
};

Kept kept_by(Layer& layer, const TensorSpec& input, Recompute* ahead) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  for (Parameter* parameter : layer.parameters()) {
    parameter->materialize(*device, *stream, 1);
  }
  const std::size_t before = device->memory().in_use_bytes;
  const auto kept = [&] { return device->memory().in_use_bytes - before; };
  Context context(*stream);
  Kept result;
  {
    Saved saved;
    Tensors x;
    x.push_back(device->empty(input));
    layer.forward_all(context, std::move(x), saved);
    result.after_forward = kept();
    if (ahead != nullptr) {
      ahead->run_again(context, saved);
    }
    result.after_running_again = kept();
    Tensors dy;
    dy.push_back(device->empty(input));
    layer.backward_input_all(context, std::move(dy), saved);
    result.after_input_gradient = kept();
    layer.backward_weight(context, saved);
  }
  result.after_weight_gradient = kept();
  for (Parameter* parameter : layer.parameters()) {
    parameter->dematerialize();
  }
  return result;
}

TEST_P(RecomputeTest, KeepsBehindTheInputsGradientWhatTheWeightsGradientNeeds) {
  const auto plain = GetParam().make();
  const Kept of_plain = kept_by(*plain, GetParam().input, nullptr);
  for (const bool ahead : {false, true}) {
    Recompute layer(GetParam().make());
    const Kept kept = kept_by(layer, GetParam().input, ahead ? &layer : nullptr);
    EXPECT_EQ(kept.after_forward, aligned_bytes(GetParam().input.bytes()));
    EXPECT_EQ(kept.after_running_again, ahead ? of_plain.after_forward : kept.after_forward);
    EXPECT_EQ(kept.after_input_gradient, of_plain.after_input_gradient);
    EXPECT_EQ(kept.after_weight_gradient, 0U);
  }
}

// x = [rows, C], hidden = [rows, H].  W of the norm needs x, its statistics and its gradient, that
// of expand what it was given and its gradient, that of the projection as well; not what went into
// gelu, which only I needs.
TEST(RecomputeBytesTest, OfAnMlpHalfThatIsEightTensors) {
  const std::int64_t rows = 64;
  const TensorSpec x{{rows, 48}, DType::f32};
  const TensorSpec hidden{{rows, 192}, DType::f32};
  const std::size_t statistics = aligned_bytes(rows * sizeof(float));
  const std::size_t narrow = aligned_bytes(x.bytes());
  const std::size_t wide = aligned_bytes(hidden.bytes());
  for (const bool ahead : {false, true}) {
    Recompute layer(std::make_unique<MlpHalf>(MlpHalfConfig{.width = 48, .hidden = 192}));
    const Kept kept = kept_by(layer, x, ahead ? &layer : nullptr);
    EXPECT_EQ(kept.after_forward, narrow);
    EXPECT_EQ(kept.after_input_gradient,
              narrow + 2 * statistics + narrow +  // norm: x, mean, rstd, dy
                  narrow + wide +                 // expand: x, dy
                  wide + narrow);                 // projection: x, dy
    EXPECT_EQ(kept.after_weight_gradient, 0U);
  }
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
