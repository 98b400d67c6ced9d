#include "lockflight/train/sample.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/error.h"

namespace lockflight::train {
namespace {

// Keeps these numbers apart from those of dropout and of batches.
constexpr std::uint32_t kSampleLayer = 0xfffffffe;

void check(const SampleOptions& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0) {
    throw InvalidArgument(fmt::format(
        "sample: a temperature of {}; 0 takes the likeliest token, 1 draws as the model says",
        options.temperature));
  }
  if (options.top_k < 0 || options.tokens < 0) {
    throw InvalidArgument(fmt::format("sample: top_k {} and {} tokens; neither may be negative",
                                      options.top_k, options.tokens));
  }
}

// The finite logits' tokens, the likeliest first.
std::vector<std::int32_t> by_likelihood(std::span<const float> logits, std::int64_t top_k) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) {
      tokens.push_back(static_cast<std::int32_t>(i));
    }
  }
  if (tokens.empty()) {
    throw InvalidArgument(fmt::format(
        "sample: none of the {} logits is finite; the model diverged, take an earlier checkpoint",
        logits.size()));
  }
  const auto logit = [&](std::int32_t token) { return logits[static_cast<std::size_t>(token)]; };
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    return logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
  };
  const auto kept = top_k == 0 ? std::ssize(tokens) : std::min(top_k, std::ssize(tokens));
  std::partial_sort(tokens.begin(), tokens.begin() + kept, tokens.end(), likelier);
  tokens.resize(static_cast<std::size_t>(kept));
  return tokens;
}

std::int64_t context_of(const Pipeline& pipeline) {
  const nn::RowSpecs& rows = pipeline.model().rows();
  if (rows.inputs.size() != 1 || rows.inputs[0].dtype != DType::i32 ||
      rows.inputs[0].shape.rank() != 1) {
    throw InvalidArgument("sample: the model does not take rows of tokens, one i32 [T] each");
  }
  return rows.inputs[0].shape[0];
}

// The logits that follow the window's token number `last`.
std::vector<float> logits_after(const std::vector<HostTensor>& outputs, std::int64_t last,
                                std::int64_t context) {
  const bool are_logits =
      outputs.size() == 1 &&
      (outputs[0].spec().dtype == DType::f32 || outputs[0].spec().dtype == DType::bf16) &&
      outputs[0].spec().shape.rows() == context;
  if (!are_logits) {
    throw InvalidArgument(
        fmt::format("sample: the model's output is {}, expected logits for each of {} tokens",
                    outputs.empty() ? "nothing" : to_string(outputs[0].spec()), context));
  }
  const auto vocabulary = static_cast<std::size_t>(outputs[0].spec().shape.columns());
  const std::size_t first = static_cast<std::size_t>(last) * vocabulary;
  std::vector<float> logits(vocabulary);
  if (outputs[0].spec().dtype == DType::f32) {
    std::ranges::copy(outputs[0].as<float>().subspan(first, vocabulary), logits.begin());
  } else {
    std::ranges::transform(outputs[0].as<BFloat16>().subspan(first, vocabulary), logits.begin(),
                           [](BFloat16 logit) { return static_cast<float>(logit); });
  }
  return logits;
}

}  // namespace

std::int32_t draw_token(std::span<const float> logits, const SampleOptions& options,
                        Random& random) {
  check(options);
  const bool likeliest = options.temperature == 0;
  const std::vector<std::int32_t> tokens = by_likelihood(logits, likeliest ? 1 : options.top_k);
  if (likeliest) {
    return tokens.front();
  }
  const auto logit = [&](std::int32_t token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]);
  };
  std::vector<double> up_to;  // sums of the weights of the tokens so far
  double sum = 0;
  for (const std::int32_t token : tokens) {
    sum += std::exp((logit(token) - logit(tokens.front())) / options.temperature);
    up_to.push_back(sum);
  }
  const auto drawn = std::ranges::upper_bound(up_to, random.next_uniform() * sum);
  const auto place = std::min(drawn - up_to.begin(), std::ssize(tokens) - 1);
  return tokens[static_cast<std::size_t>(place)];
}

std::vector<std::int32_t> sample(Pipeline& pipeline, std::span<const std::int32_t> prompt,
                                 const SampleOptions& options, const TokenSink& sink) {
  check(options);
  if (prompt.empty()) {
    throw InvalidArgument("sample: the prompt is empty; give one token at least");
  }
  const std::int64_t context = context_of(pipeline);
  std::vector<std::int32_t> text(prompt.begin(), prompt.end());
  std::vector<HostTensor> inputs;
  inputs.emplace_back(TensorSpec{{1, context}, DType::i32});
  for (std::int64_t number = 0; number < options.tokens; ++number) {
    // A causal model does not look at what stands after the last token.
    const std::int64_t length = std::min(std::ssize(text), context);
    std::copy(text.end() - length, text.end(), inputs[0].as<std::int32_t>().begin());
    const std::vector<HostTensor> outputs = pipeline.forward(inputs);
    Random random(
        {.seed = options.seed, .step = static_cast<std::uint32_t>(number), .layer = kSampleLayer});
    text.push_back(draw_token(logits_after(outputs, length - 1, context), options, random));
    if (sink) {
      sink(text.back());
    }
  }
  return {text.begin() + std::ssize(prompt), text.end()};
}

}  // namespace lockflight::train
