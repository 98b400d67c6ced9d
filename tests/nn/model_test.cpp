#include "lockflight/nn/model.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/llama.h"
#include "lockflight/nn/mlp.h"

namespace lockflight::nn {
namespace {

using testing::ElementsAre;

class MatrixLayer final : public Layer {
 public:
  explicit MatrixLayer(Shape shape, std::string second = "bias")
      : weight_("weight", {shape}, normal(1.0)), bias_(std::move(second), {{shape[1]}}, zeros()) {}
  std::vector<Parameter*> parameters() override { return {&weight_, &bias_}; }

 private:
  Parameter weight_;
  Parameter bias_;
};

Model model_of(const std::vector<std::pair<std::string, Shape>>& layers) {
  Model model({}, nullptr);
  for (const auto& [name, shape] : layers) {
    model.add(name, std::make_unique<MatrixLayer>(shape));
  }
  return model;
}

std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const Parameter* parameter : model.parameters()) {
    names.push_back(parameter->name());
  }
  return names;
}

template <class Function>
std::string refusal(Function function) {
  try {
    function();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ModelTest, ParametersCarryFullNamesInTheOrderOfTheLayers) {
  const Model model = model_of({{"b", {2, 3}}, {"a", {3, 4}}});
  EXPECT_THAT(names_of(model), ElementsAre("b.weight", "b.bias", "a.weight", "a.bias"));
  EXPECT_EQ(model.parameter_count(), 2 * 3 + 3 + 3 * 4 + 4);
}

TEST(ModelTest, RefusesANameTwice) {
  Model model = model_of({{"a", {2, 3}}});
  EXPECT_THAT(refusal([&] {
                model.add("a", std::make_unique<MatrixLayer>(Shape{2, 3}));
              }),
              testing::HasSubstr("is to be named 'a'"));
  EXPECT_THAT(refusal([&] {
                model.add("b", std::make_unique<MatrixLayer>(Shape{2, 3}, "weight"));
              }),
              testing::HasSubstr("two parameters named 'weight'"));
  EXPECT_EQ(model.layers().size(), 1);
}

TEST(ModelTest, TiedParametersStartEqualAndCountOnce) {
  Model model = model_of({{"a", {2, 3}}, {"b", {3, 3}}, {"c", {2, 3}}});
  model.tie({.first = "a.weight", .second = "c.weight"});
  const std::vector<Parameter*> all = model.parameters();
  EXPECT_EQ(all[4]->initial_values(11), all[0]->initial_values(11));
  EXPECT_EQ(model.parameter_count(), 6 + 3 + 9 + 3 + 3);
  ASSERT_EQ(model.ties().size(), 1);
  EXPECT_EQ(model.ties()[0].second, "c.weight");
}

TEST(ModelTest, RefusesTiesThatCannotBe) {
  Model model = model_of({{"a", {2, 3}}, {"b", {3, 3}}, {"c", {2, 3}}, {"d", {2, 3}}});
  const auto tie = [&](const char* first, const char* second) {
    return refusal([&] { model.tie({.first = first, .second = second}); });
  };
  EXPECT_THAT(tie("a.weight", "x.weight"), testing::HasSubstr("no parameter 'x.weight'"));
  EXPECT_THAT(tie("a.weight", "b.weight"), testing::HasSubstr("f32 [3, 3]"));
  EXPECT_THAT(tie("c.weight", "a.weight"), testing::HasSubstr("earlier layer first"));
  EXPECT_THAT(tie("a.weight", "a.weight"), testing::HasSubstr("earlier layer first"));
  EXPECT_EQ(tie("a.weight", "c.weight"), "accepted");
  EXPECT_THAT(tie("c.weight", "d.weight"), testing::HasSubstr("tied already"));
}

TEST(ModelTest, IsMadeOnceMoreAsItWas) {
  std::vector<Model> models;
  models.push_back(
      gpt2({.vocabulary = 5, .context = 4, .layers = 1, .heads = 2, .width = 8, .tied = true}));
  models.push_back(
      llama({.vocabulary = 5, .context = 4, .layers = 1, .heads = 2, .width = 8, .hidden = 8}));
  models.push_back(mlp({.inputs = 2, .hidden = 3, .outputs = 2, .layers = 2}));
  for (const Model& model : models) {
    const Model copy = model.again();
    const auto mine = model.parameters();
    const auto others = copy.parameters();
    ASSERT_EQ(mine.size(), others.size());
    for (std::size_t i = 0; i < mine.size(); ++i) {
      EXPECT_NE(mine[i], others[i]);
      EXPECT_EQ(mine[i]->name(), others[i]->name());
      EXPECT_EQ(mine[i]->initial_values(7), others[i]->initial_values(7));
    }
    EXPECT_EQ(copy.again().ties(), model.ties());
  }
}

TEST(ModelTest, IsMadeOnceMoreOnlyBySomethingThatMakesTheSame) {
  Model model = model_of({{"a", {2, 3}}});
  EXPECT_THAT(refusal([&] { model.again(); }), testing::HasSubstr("call made_by"));
  model.made_by([] { return model_of({{"a", {2, 3}}}); });
  EXPECT_EQ(model.again().parameter_count(), model.parameter_count());
  model.made_by([] { return model_of({{"b", {2, 3}}}); });
  EXPECT_THAT(refusal([&] { model.again(); }), testing::HasSubstr("makes another model"));
  model.made_by([] { return model_of({{"a", {3, 3}}}); });
  EXPECT_THAT(refusal([&] { model.again(); }), testing::HasSubstr("makes another model"));
}

}  // namespace
}  // namespace lockflight::nn
