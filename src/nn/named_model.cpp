#include "lockflight/nn/named_model.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::nn {
namespace {

constexpr std::string_view kGpt2Source =
    "Radford et al. 2019, \"Language Models are Unsupervised Multitask Learners\", table 2, with "
    "the sizes of the released weights";
constexpr std::string_view kGpt3Source = "Brown et al. 2020 (arXiv:2005.14165), table 2.1";
constexpr std::string_view kLlamaSource = "Touvron et al. 2023 (arXiv:2302.13971), table 2";

struct Size {
  std::int64_t layers;
  std::int64_t heads;
  std::int64_t width;
};

constexpr Gpt2Config gpt(std::int64_t context, Size size) {
  return {.vocabulary = 50257,
          .context = context,
          .layers = size.layers,
          .heads = size.heads,
          .width = size.width,
          .tied = true};
}

// `hidden` is 8/3 of the width, rounded up to a multiple of 256.
constexpr LlamaConfig llama1(Size size) {
  return {.vocabulary = 32000,
          .context = 2048,
          .layers = size.layers,
          .heads = size.heads,
          .width = size.width,
          .hidden = (8 * size.width / 3 + 255) / 256 * 256};
}

constexpr Gpt2Config gpt2_of(Size size) { return gpt(1024, size); }
constexpr Gpt2Config gpt3_of(Size size) { return gpt(2048, size); }

constexpr LlamaConfig kLlama33b = llama1({.layers = 60, .heads = 52, .width = 6656});

constexpr std::array kModels = {
    NamedModel{"gpt2-124m", kGpt2Source, gpt2_of({.layers = 12, .heads = 12, .width = 768})},
    NamedModel{"gpt2-355m", kGpt2Source, gpt2_of({.layers = 24, .heads = 16, .width = 1024})},
    NamedModel{"gpt2-774m", kGpt2Source, gpt2_of({.layers = 36, .heads = 20, .width = 1280})},
    NamedModel{"gpt2-1.5b", kGpt2Source, gpt2_of({.layers = 48, .heads = 25, .width = 1600})},
    NamedModel{"gpt3-6.7b", kGpt3Source, gpt3_of({.layers = 32, .heads = 32, .width = 4096})},
    // The table's width of 5140 is not its 40 heads times 128.
    NamedModel{"gpt3-13b", kGpt3Source, gpt3_of({.layers = 40, .heads = 40, .width = 5120})},
    NamedModel{"gpt3-175b", kGpt3Source, gpt3_of({.layers = 96, .heads = 96, .width = 12288})},
    NamedModel{"llama-7b", kLlamaSource, llama1({.layers = 32, .heads = 32, .width = 4096})},
    NamedModel{"llama-13b", kLlamaSource, llama1({.layers = 40, .heads = 40, .width = 5120})},
    NamedModel{"llama-30b", kLlamaSource, kLlama33b},  // as the released weights are called
    NamedModel{"llama-33b", kLlamaSource, kLlama33b},
    NamedModel{"llama-65b", kLlamaSource, llama1({.layers = 80, .heads = 64, .width = 8192})},
};

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Model build_from(const Gpt2Config& config) { return gpt2(config); }
Model build_from(const LlamaConfig& config) { return llama(config); }

}  // namespace

std::int64_t NamedModel::context() const {
  return std::visit([](const auto& published) { return published.context; }, config);
}

Model NamedModel::build(std::int64_t context, DType dtype) const {
  return std::visit(
      [&](auto chosen) {
        chosen.context = context == 0 ? chosen.context : context;
        chosen.dtype = dtype;
        return build_from(chosen);
      },
      config);
}

std::span<const NamedModel> named_models() { return kModels; }

const NamedModel& find_model(std::string_view name) {
  std::string names;
  for (const NamedModel& model : kModels) {
    if (equal_but_for_case(model.name, name)) {
      return model;
    }
    names += names.empty() ? "" : ", ";
    names += model.name;
  }
  throw InvalidArgument(fmt::format("there is no model \"{}\"; there are {}", name, names));
}

}  // namespace lockflight::nn
