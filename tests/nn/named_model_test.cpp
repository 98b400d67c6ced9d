#include "lockflight/nn/named_model.h"

#include <cmath>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::nn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::int64_t parameters_of(std::string_view name) {
  return find_model(name).build().parameter_count();
}

TEST(NamedModelTest, HasExactlyThePublishedParametersWhereTheyAreKnown) {
  // Of the released weights.
  EXPECT_EQ(parameters_of("gpt2-124m"), 124'439'808);
  EXPECT_EQ(parameters_of("gpt2-355m"), 354'823'168);
  EXPECT_EQ(parameters_of("gpt2-774m"), 774'030'080);
  EXPECT_EQ(parameters_of("gpt2-1.5b"), 1'557'611'200);
  EXPECT_EQ(parameters_of("llama-7b"), 6'738'415'616);
  EXPECT_EQ(parameters_of("llama-13b"), 13'015'864'320);
  EXPECT_EQ(parameters_of("llama-30b"), 32'528'943'616);
  EXPECT_EQ(parameters_of("llama-33b"), 32'528'943'616);
  EXPECT_EQ(parameters_of("llama-65b"), 65'285'660'672);
}

TEST(NamedModelTest, HasThePublishedParametersWithinTheirRounding) {
  struct Published {
    double billions;
    double rounding;
  };
  const std::map<std::string_view, Published> published = {
      {"gpt3-6.7b", {6.7, 0.05}}, {"gpt3-13b", {13, 0.5}},     {"gpt3-175b", {175, 0.5}},
      {"llama-7b", {6.7, 0.05}},  {"llama-13b", {13.0, 0.05}}, {"llama-33b", {32.5, 0.05}},
      {"llama-65b", {65.2, 0.1}},  // cut off rather than rounded
  };
  for (const auto& [name, count] : published) {
    EXPECT_NEAR(static_cast<double>(parameters_of(name)) / 1e9, count.billions, count.rounding)
        << name;
  }
}

TEST(NamedModelTest, CountsAsTheClosedFormOfGpt3) {
  // 12 C^2 + 13 C per block; token and position table; the final norm.
  constexpr std::int64_t kC = 12288;
  EXPECT_EQ(parameters_of("gpt3-175b"),
            96 * (12 * kC * kC + 13 * kC) + (50257 + 2048) * kC + 2 * kC);
}

TEST(NamedModelTest, KnowsTheContextAndTakesAnotherOne) {
  const std::map<std::string_view, std::int64_t> contexts = {
      {"gpt2-1.5b", 1024}, {"gpt3-175b", 2048}, {"llama-7b", 2048}};
  for (const auto& [name, context] : contexts) {
    const NamedModel& model = find_model(name);
    EXPECT_EQ(model.context(), context);
    EXPECT_EQ(model.build().rows().inputs.at(0), (TensorSpec{{context}, DType::i32}));
    EXPECT_EQ(model.build(4096).rows().inputs.at(0), (TensorSpec{{4096}, DType::i32}));
    EXPECT_THROW(model.build(-1), InvalidArgument);
  }
  // Learned positions take parameters, rotary ones do not.
  EXPECT_EQ(find_model("gpt2-124m").build(1025).parameter_count(), 124'439'808 + 768);
  EXPECT_EQ(find_model("llama-7b").build(4096).parameter_count(), 6'738'415'616);
}

TEST(NamedModelTest, FindsNamesInUpperAndLowerCase) {
  EXPECT_EQ(find_model("GPT2-124M").name, "gpt2-124m");
  EXPECT_EQ(find_model("Llama-7B").name, "llama-7b");
  for (const NamedModel& model : named_models()) {
    EXPECT_EQ(&find_model(model.name), &model);
    EXPECT_FALSE(model.source.empty());
  }
}

TEST(NamedModelTest, ListsTheKnownNamesWhenAskedForAnother) {
  EXPECT_THAT([] { find_model("gpt4"); },
              ThrowsMessage<InvalidArgument>(
                  AllOf(HasSubstr("there is no model \"gpt4\"; there are gpt2-124m, gpt2-355m"),
                        HasSubstr("llama-65b"))));
}

}  // namespace
}  // namespace lockflight::nn
