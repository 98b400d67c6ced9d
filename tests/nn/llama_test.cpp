#include "lockflight/nn/llama.h"

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/nn/llama_attention_half.h"
#include "lockflight/nn/llama_mlp_half.h"
#include "lockflight/nn/rms_norm.h"
#include "nn/model_on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr LlamaConfig kTinyLlama{
    .vocabulary = 11, .context = 6, .layers = 2, .heads = 4, .width = 16, .hidden = 24};

class LlamaTest : public ModelOnCpu {};

TEST_F(LlamaTest, IsAListOfHalfBlocks) {
  const Model model = llama(kTinyLlama);
  std::vector<std::string> names;
  for (const NamedLayer& layer : model.layers()) {
    names.push_back(layer.name);
  }
  EXPECT_THAT(names, ElementsAre("embedding", "blocks.0.attention", "blocks.0.mlp",
                                 "blocks.1.attention", "blocks.1.mlp", "final_norm", "head"));
  EXPECT_THAT(model.rows().inputs, ElementsAre(TensorSpec{{6}, DType::i32}));
  EXPECT_THAT(model.rows().targets, ElementsAre(TensorSpec{{6}, DType::i32}));
}

TEST_F(LlamaTest, HasAsManyParametersAsTheFormulaSays) {
  for (const std::int64_t shared : {0, 1, 2}) {
    LlamaConfig config = kTinyLlama;
    config.key_value_heads = shared;
    const std::int64_t K = shared == 0 ? 4 : shared;
    const std::int64_t attention = 16 + 16 * (16 + 2 * K * 4) + 16 * 16;
    const std::int64_t mlp = 16 + 3 * 16 * 24;
    EXPECT_EQ(llama(config).parameter_count(), 2 * 11 * 16 + 2 * (attention + mlp) + 16);
  }
}

TEST_F(LlamaTest, ProjectionsStartSmaller) {
  const Model model =
      llama({.vocabulary = 64, .context = 32, .layers = 8, .heads = 2, .width = 64, .hidden = 172});
  std::map<std::string, double> deviation;
  for (const Parameter* parameter : model.parameters()) {
    double squares = 0;
    for (const float value : parameter->initial_values(1)) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    deviation[parameter->name()] = std::sqrt(squares / static_cast<double>(parameter->elements()));
  }
  for (const char* name : {"embedding.tokens", "head.weight", "blocks.7.attention.qkv.weight",
                           "blocks.3.mlp.gate_up.weight"}) {
    EXPECT_NEAR(deviation.at(name), 0.02, 0.001) << name;
  }
  for (const char* name :
       {"blocks.7.attention.projection.weight", "blocks.3.mlp.projection.weight"}) {
    EXPECT_NEAR(deviation.at(name), 0.02 / 4, 0.00025) << name;
  }
  EXPECT_EQ(deviation.at("blocks.0.mlp.norm.gain"), 1);
  EXPECT_EQ(deviation.at("final_norm.gain"), 1);
}

TEST_F(LlamaTest, StartsWithTheLossOfGuessing) {
  const Model model = llama(kTinyLlama);
  materialize(model);
  EXPECT_NEAR(run(model, tokens_of(2), tokens_of(1)), std::log(11.0), 0.02);
}

TEST_F(LlamaTest, HasTheRightGradientsFromLossToEmbedding) {
  for (const std::int64_t shared : {4, 2}) {
    LlamaConfig config = kTinyLlama;
    config.key_value_heads = shared;
    expect_right_gradients(llama(config));
  }
}

// What a layer returns and the gradients it finds, on a device of so many threads.
std::vector<std::vector<float>> results_of(Layer& layer, int threads) {
  const TensorSpec spec{{2, 160, 96}};  // enough rows for several pieces of every operation
  const auto device = make_cpu_device({.threads = threads});
  const auto stream = device->make_stream(StreamRole::compute);
  const auto random_tensor = [&](std::uint64_t seed) {
    std::vector<float> values(static_cast<std::size_t>(spec.elements()));
    Random random({.seed = seed});
    for (float& value : values) {
      value = static_cast<float>(random.next_normal());
    }
    Tensor made = device->empty(spec);
    stream->upload(made, values.data());
    device->synchronize();
    return made;
  };
  std::vector<std::vector<float>> results;
  const auto keep = [&](const TensorView& view) {
    results.emplace_back(static_cast<std::size_t>(view.elements()));
    stream->download(results.back().data(), view);
    device->synchronize();
  };
  for (Parameter* parameter : layer.parameters()) {
    parameter->materialize(*device, *stream, 1);
  }
  Context context(*stream);
  Saved saved;
  keep(layer.forward(context, random_tensor(1), saved));
  keep(layer.backward_input(context, random_tensor(2), saved));
  layer.backward_weight(context, saved);
  for (Parameter* parameter : layer.parameters()) {
    keep(parameter->grad());
    parameter->dematerialize();
  }
  saved = {};
  return results;
}

TEST_F(LlamaTest, LayersGiveTheSameBitsForAnyNumberOfThreads) {
  RmsNorm norm(96);
  LlamaAttentionHalf attention({.width = 96, .heads = 4, .key_value_heads = 2});
  LlamaMlpHalf mlp({.width = 96, .hidden = 256});
  for (Layer* layer : std::initializer_list<Layer*>{&norm, &attention, &mlp}) {
    EXPECT_EQ(results_of(*layer, 1), results_of(*layer, 2)) << layer->parameters().back()->name();
  }
}

TEST_F(LlamaTest, RunsOnAMetaDeviceWhateverItsSize) {
  const auto meta = make_meta_device();
  const auto stream = meta->make_stream(StreamRole::compute);
  const Model model = llama({.vocabulary = 32000,
                             .context = 2048,
                             .layers = 2,
                             .heads = 64,
                             .width = 8192,
                             .hidden = 22016});
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
  EXPECT_EQ(tensors.at(0).spec(), (TensorSpec{{1, 2048, 32000}}));
  const double products =
      2.0 * 2048 * (2 * (4.0 * 8192 * 8192 + 3.0 * 8192 * 22016) + 8192.0 * 32000);
  EXPECT_NEAR(take_totals(*meta).flops / products, 1, 0.05);  // the rest is attention
}

TEST_F(LlamaTest, RefusesWhatCannotWorkInOneSentence) {
  const auto refusal = [](LlamaConfig config) {
    try {
      llama(config);
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  LlamaConfig config = kTinyLlama;
  config.heads = 3;
  EXPECT_THAT(refusal(config), AllOf(HasSubstr("3 heads"), HasSubstr("width of 16")));
  config = kTinyLlama;
  config.key_value_heads = 3;
  EXPECT_THAT(refusal(config), HasSubstr("4 heads cannot share 3 heads of keys and values"));
  config = kTinyLlama;
  config.heads = 16;
  EXPECT_THAT(refusal(config), HasSubstr("heads of 1 channels cannot be rotated in pairs"));
  for (std::int64_t LlamaConfig::*size :
       {&LlamaConfig::vocabulary, &LlamaConfig::context, &LlamaConfig::layers, &LlamaConfig::heads,
        &LlamaConfig::width, &LlamaConfig::hidden}) {
    config = kTinyLlama;
    config.*size = 0;
    EXPECT_THAT(refusal(config), HasSubstr("is 0, but must be at least 1"));
  }
}

}  // namespace
}  // namespace lockflight::nn
