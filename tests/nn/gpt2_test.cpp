#include "lockflight/nn/gpt2.h"

#include <map>
#include <string>
#include <vector>

#include "lockflight/core/error.h"
#include "lockflight/device/meta_device.h"
#include "nn/model_on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Gpt2Config kTinyGpt2{.vocabulary = 11, .context = 6, .layers = 2, .heads = 2, .width = 8};

class Gpt2Test : public ModelOnCpu {};

TEST_F(Gpt2Test, IsAListOfHalfBlocks) {
  const Model model = gpt2(kTinyGpt2);
  std::vector<std::string> names;
  for (const NamedLayer& layer : model.layers()) {
    names.push_back(layer.name);
  }
  EXPECT_THAT(names, ElementsAre("embedding", "blocks.0.attention", "blocks.0.mlp",
                                 "blocks.1.attention", "blocks.1.mlp", "final_norm", "head"));
  EXPECT_THAT(model.rows().inputs, ElementsAre(TensorSpec{{6}, DType::i32}));
  EXPECT_THAT(model.rows().targets, ElementsAre(TensorSpec{{6}, DType::i32}));
}

TEST_F(Gpt2Test, HasAsManyParametersAsGpt2) {
  // The published model: 124,439,808, tied.
  Gpt2Config config{
      .vocabulary = 50257, .context = 1024, .layers = 12, .heads = 12, .width = 768, .tied = true};
  EXPECT_EQ(gpt2(config).parameter_count(), 124'439'808);
  config.tied = false;
  EXPECT_EQ(gpt2(config).parameter_count(), 124'439'808 + 50257 * 768);
}

TEST_F(Gpt2Test, ProjectionsStartSmaller) {
  const Model model = gpt2({.vocabulary = 64, .context = 32, .layers = 8, .heads = 2, .width = 64});
  std::map<std::string, double> deviation;
  for (const Parameter* parameter : model.parameters()) {
    double squares = 0;
    for (const float value : parameter->initial_values(1)) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    deviation[parameter->name()] = std::sqrt(squares / static_cast<double>(parameter->elements()));
  }
  for (const char* name : {"embedding.tokens", "embedding.positions", "head.weight",
                           "blocks.7.attention.qkv.weight", "blocks.3.mlp.expand.weight"}) {
    EXPECT_NEAR(deviation.at(name), 0.02, 0.001) << name;
  }
  for (const char* name :
       {"blocks.7.attention.projection.weight", "blocks.3.mlp.projection.weight"}) {
    EXPECT_NEAR(deviation.at(name), 0.02 / 4, 0.00025) << name;
  }
  EXPECT_EQ(deviation.at("blocks.0.mlp.expand.bias"), 0);
  EXPECT_EQ(deviation.at("final_norm.gain"), 1);
}

TEST_F(Gpt2Test, StartsWithTheLossOfGuessing) {
  const Model model = gpt2(kTinyGpt2);
  materialize(model);
  context_.training = false;
  EXPECT_NEAR(run(model, tokens_of(2), tokens_of(1)), std::log(11.0), 0.02);
}

TEST_F(Gpt2Test, HasTheRightGradientsFromLossToEmbedding) {
  for (const float dropout : {0.0F, 0.2F}) {
    Gpt2Config config = kTinyGpt2;
    config.dropout = dropout;
    expect_right_gradients(gpt2(config));
  }
}

TEST_F(Gpt2Test, TiedHeadAndEmbeddingStartEqual) {
  Gpt2Config config = kTinyGpt2;
  config.tied = true;
  const Model model = gpt2(config);
  ASSERT_EQ(model.ties().size(), 1U);
  const std::vector<Parameter*> all = model.parameters();
  EXPECT_EQ(all.front()->initial_values(3), all.back()->initial_values(3));
  EXPECT_EQ(all.front()->name(), model.ties()[0].first);
  EXPECT_EQ(all.back()->name(), model.ties()[0].second);
}

TEST_F(Gpt2Test, RunsOnAMetaDeviceWhateverItsSize) {
  const auto meta = make_meta_device();
  const auto stream = meta->make_stream(StreamRole::compute);
  const Model model =
      gpt2({.vocabulary = 50257, .context = 2048, .layers = 2, .heads = 96, .width = 12288});
  for (Parameter* parameter : model.parameters()) {
    parameter->materialize(*meta, *stream, 1);
  }
  Context context(*stream);
  Tensors tensors;
  tensors.push_back(meta->empty({{1, 2048}, DType::i32}));
  for (const NamedLayer& layer : model.layers()) {
    Saved saved;
    tensors = layer.layer->forward_all(context, std::move(tensors), saved);
  }
  EXPECT_EQ(tensors.at(0).spec(), (TensorSpec{{1, 2048, 50257}}));
  const double products = 2.0 * 2048 * (2 * 12.0 * 12288 * 12288 + 12288.0 * 50257);
  EXPECT_NEAR(take_totals(*meta).flops / products, 1, 0.05);  // the rest is attention
}

TEST_F(Gpt2Test, RefusesWhatCannotWorkInOneSentence) {
  const auto refusal = [](Gpt2Config config) {
    try {
      gpt2(config);
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  Gpt2Config config = kTinyGpt2;
  config.heads = 3;
  EXPECT_THAT(refusal(config), AllOf(HasSubstr("3 heads"), HasSubstr("width of 8")));
  config = kTinyGpt2;
  config.dropout = 1;
  EXPECT_THAT(refusal(config), HasSubstr("dropout is 1"));
  for (std::int64_t Gpt2Config::*size :
       {&Gpt2Config::vocabulary, &Gpt2Config::context, &Gpt2Config::layers, &Gpt2Config::heads,
        &Gpt2Config::width}) {
    config = kTinyGpt2;
    config.*size = 0;
    EXPECT_THAT(refusal(config), HasSubstr("is 0, but must be at least 1"));
  }
}

}  // namespace
}  // namespace lockflight::nn
