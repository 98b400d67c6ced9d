#include "lockflight/train/optimizer.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "train/error_text.h"
#include "train/small_model.h"

namespace lockflight::train {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

std::size_t entries_of(const Pipeline& pipeline) { return pipeline.parameters().entries().size(); }

// Gives an entry, and its tied copy, a gradient.
void set_gradient(const Pipeline& pipeline, std::size_t number, const Floats& gradient) {
  const auto entries = pipeline.parameters().entries();
  pipeline.parameters().on_each_rank([&](RankContext& context) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool same = i == number || entries[i].tied_to == static_cast<int>(number);
      if (same && entries[i].rank == context.rank) {
        context.stream.upload(entries[i].parameter->grad(), gradient.data());
      }
    }
  });
}

Floats read_gradient(const Pipeline& pipeline, std::size_t number) {
  const auto& entry = pipeline.parameters().entries()[number];
  Floats gradient(static_cast<std::size_t>(entry.parameter->elements()));
  pipeline.parameters().on_each_rank([&](RankContext& context) {
    if (entry.rank == context.rank) {
      context.stream.download(gradient.data(), entry.parameter->grad());
    }
  });
  return gradient;
}

Floats drawn_gradient(std::size_t entry, int step) {
  Random random({.seed = 3,
                 .step = static_cast<std::uint32_t>(step),
                 .layer = static_cast<std::uint32_t>(entry)});
  Floats gradient(kWidth);
  for (float& value : gradient) {
    value = static_cast<float>(random.next_normal());
  }
  return gradient;
}

void draw_gradients(const Pipeline& pipeline, int step) {
  for (std::size_t i = 0; i < entries_of(pipeline); ++i) {
    if (pipeline.parameters().entries()[i].tied_to < 0) {
      set_gradient(pipeline, i, drawn_gradient(i, step));
    }
  }
}

std::vector<Floats> weights_of(const Pipeline& pipeline) {
  std::vector<Floats> weights;
  for (std::size_t i = 0; i < entries_of(pipeline); ++i) {
    weights.push_back(pipeline.read_back(i));
  }
  return weights;
}

std::vector<Floats> states_of(const Optimizer& optimizer) {
  std::vector<Floats> states;
  for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
    states.push_back(optimizer.read_back(i));
  }
  return states;
}

double norm_of(const Pipeline& pipeline, int step) {
  double sum = 0;
  for (std::size_t i = 0; i < entries_of(pipeline); ++i) {
    if (pipeline.parameters().entries()[i].tied_to < 0) {
      for (const float value : drawn_gradient(i, step)) {
        sum += std::pow(static_cast<double>(value), 2);
      }
    }
  }
  return std::sqrt(sum);
}

void expect_near(const Floats& actual, const Doubles& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 3e-6 * (1 + std::abs(expected[i]))) << what << " " << i;
  }
}

// The formulas of torch.optim, in double precision, one entry at a time.
struct NaiveAdamW {
  double beta1, beta2, epsilon, decay;
  Doubles weight, m = Doubles(kWidth), v = Doubles(kWidth);

  void update(const Floats& gradient, double scale, double rate, int step) {
    for (std::size_t i = 0; i < weight.size(); ++i) {
      const double g = scale * static_cast<double>(gradient[i]);
      weight[i] -= rate * decay * weight[i];
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(beta1, step));
      const double v_hat = v[i] / (1 - std::pow(beta2, step));
      weight[i] -= rate * m_hat / (std::sqrt(v_hat) + epsilon);
    }
  }
};

struct NaiveSgd {
  double momentum, decay;
  Doubles weight, velocity = Doubles(kWidth);

  void update(const Floats& gradient, double scale, double rate, int /*step*/) {
    for (std::size_t i = 0; i < weight.size(); ++i) {
      const double g = scale * static_cast<double>(gradient[i]) + decay * weight[i];
      velocity[i] = momentum * velocity[i] + g;
      weight[i] -= rate * velocity[i];
    }
  }
};

// Steps with changing rates; `naive[i]` follows entry i.
template <typename Naive>
void expect_follows(Pipeline& pipeline, Optimizer& optimizer, std::vector<Naive> naive,
                    double clip_norm) {
  for (int step = 1; step <= 12; ++step) {
    const double rate = 0.02 / step;
    draw_gradients(pipeline, step);
    const double norm = norm_of(pipeline, step);
    const double scale = clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1;
    optimizer.set_learning_rate(rate);
    EXPECT_NEAR(optimizer.step(), norm, 1e-12 * norm);
    for (std::size_t i = 0; i < naive.size(); ++i) {
      naive[i].update(drawn_gradient(i, step), scale, rate, step);
      expect_near(pipeline.read_back(i), naive[i].weight,
                  "step " + std::to_string(step) + " entry " + std::to_string(i));
    }
  }
}

class OptimizerTest : public testing::TestWithParam<int> {
 protected:
  SmallPipeline small_{GetParam()};
  Pipeline& pipeline_ = small_.pipeline;
};

INSTANTIATE_TEST_SUITE_P(Ranks, OptimizerTest, testing::Values(1, 2, 4));

TEST_P(OptimizerTest, AdamWFollowsItsFormulaAndDecaysMatricesAlone) {
  for (const float clip_norm : {0.0F, 2.0F}) {
    AdamW optimizer(pipeline_.parameters(), {.beta1 = 0.9F,
                                             .beta2 = 0.98F,
                                             .epsilon = 1e-6F,
                                             .weight_decay = 0.3F,
                                             .clip_norm = clip_norm});
    std::vector<NaiveAdamW> naive;
    for (std::size_t i = 0; i < entries_of(pipeline_); ++i) {
      const Floats weight = pipeline_.read_back(i);
      naive.push_back({.beta1 = 0.9F,
                       .beta2 = 0.98F,
                       .epsilon = 1e-6F,
                       .decay = i % 2 == 0 ? 0.3F : 0.0,
                       .weight = {weight.begin(), weight.end()}});
    }
    expect_follows(pipeline_, optimizer, naive, clip_norm);
  }
}

TEST_P(OptimizerTest, SgdFollowsItsFormulaAndDecaysMatricesAlone) {
  for (const float momentum : {0.0F, 0.9F}) {
    Sgd optimizer(pipeline_.parameters(),
                  {.momentum = momentum, .weight_decay = 0.1F, .clip_norm = 3.0F});
    std::vector<NaiveSgd> naive;
    for (std::size_t i = 0; i < entries_of(pipeline_); ++i) {
      const Floats weight = pipeline_.read_back(i);
      naive.push_back({.momentum = momentum,
                       .decay = i % 2 == 0 ? 0.1F : 0.0,
                       .weight = {weight.begin(), weight.end()}});
    }
    expect_follows(pipeline_, optimizer, naive, 3.0);
  }
}

TEST_P(OptimizerTest, SetsGradientsToZeroAndCountsThePipelinesStep) {
  AdamW optimizer(pipeline_.parameters());
  pipeline_.set_step(41);
  draw_gradients(pipeline_, 1);
  optimizer.step();
  for (std::size_t i = 0; i < entries_of(pipeline_); ++i) {
    EXPECT_THAT(read_gradient(pipeline_, i), Each(0.0F));
  }
  EXPECT_EQ(pipeline_.step(), 42U);
  EXPECT_EQ(optimizer.updates(), 1);
}

TEST_P(OptimizerTest, ANormThatIsNotFiniteChangesNothingButTheGradients) {
  AdamW optimizer(pipeline_.parameters(), {.clip_norm = 1});
  draw_gradients(pipeline_, 1);
  optimizer.step();
  const auto weights = weights_of(pipeline_);
  const auto states = states_of(optimizer);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    draw_gradients(pipeline_, 2);
    set_gradient(pipeline_, 6, {1, 1, bad, 1, 1});
    EXPECT_THAT(error_text<Error>([&] { optimizer.step(); }),
                AllOf(HasSubstr("layer3.scale"), HasSubstr("update 2"), HasSubstr("nothing was")));
    EXPECT_EQ(weights_of(pipeline_), weights);
    EXPECT_EQ(states_of(optimizer), states);
    EXPECT_THAT(read_gradient(pipeline_, 6), Each(0.0F));
    EXPECT_THAT(read_gradient(pipeline_, 0), Each(0.0F));
    EXPECT_EQ(optimizer.updates(), 1);
    EXPECT_EQ(pipeline_.step(), 1U);
  }
  draw_gradients(pipeline_, 2);
  EXPECT_NEAR(optimizer.step(), norm_of(pipeline_, 2), 1e-9);
  EXPECT_NE(weights_of(pipeline_), weights);
}

TEST_P(OptimizerTest, StatesHaveNamesStartAtZeroAndCanBeSet) {
  AdamW optimizer(pipeline_.parameters());
  const auto& states = optimizer.states();
  ASSERT_EQ(states.size(), 16U);
  EXPECT_EQ(states[0].name, "layer0.scale.exp_avg");
  EXPECT_EQ(states[1].name, "layer0.scale.exp_avg_sq");
  EXPECT_EQ(states[15].name, "layer3.shift.exp_avg_sq");
  EXPECT_EQ(states[15].entry, 7U);
  EXPECT_THAT(states_of(optimizer), Each(Each(0.0F)));
  optimizer.write(3, Floats{1, 2, 3, 4, 5});
  EXPECT_THAT(optimizer.read_back(3), testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(optimizer.read_back(2), Each(0.0F));
  EXPECT_THROW(optimizer.write(3, Floats{1}), InvalidArgument);
  const Sgd sgd(pipeline_.parameters());
  EXPECT_EQ(sgd.states()[1].name, "layer0.shift.momentum_buffer");
}

TEST_P(OptimizerTest, ATiedPairCountsOnceInTheNormAndStaysEqual) {
  SmallPipeline tied(GetParam(), 4, true);
  Pipeline& pipeline = tied.pipeline;
  AdamW optimizer(pipeline.parameters(), {.clip_norm = 1});
  EXPECT_EQ(optimizer.states().size(), 14U);
  for (int step = 1; step <= 4; ++step) {
    draw_gradients(pipeline, step);
    const double norm = norm_of(pipeline, step);
    EXPECT_NEAR(optimizer.step(), norm, 1e-12 * norm);
    EXPECT_EQ(pipeline.read_back(0), pipeline.read_back(6));
    EXPECT_THAT(read_gradient(pipeline, 6), Each(0.0F));
  }
  // Also after a state that was set, as when a checkpoint is loaded.
  optimizer.write(0, Floats(kWidth, 0.5F));
  draw_gradients(pipeline, 5);
  optimizer.step();
  EXPECT_EQ(pipeline.read_back(0), pipeline.read_back(6));
}

TEST(OptimizerPartitionTest, TrainingGivesTheSameBitsOnAnyNumberOfRanks) {
  for (const bool tied : {false, true}) {
    std::vector<double> norms;
    std::uint64_t hash = 0;
    for (const int ranks : {1, 2, 3, 4}) {
      SmallPipeline small(ranks, 5, tied);
      AdamW optimizer(small.pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 0.1F});
      std::vector<double> my_norms;
      for (std::uint32_t step = 0; step < 6; ++step) {
        small.pipeline.forward_backward(small_batch(step));
        my_norms.push_back(optimizer.step());
      }
      if (ranks == 1) {
        norms = my_norms;
        hash = small.pipeline.weights_hash();
      }
      EXPECT_EQ(my_norms, norms) << ranks;
      EXPECT_EQ(small.pipeline.weights_hash(), hash) << ranks;
    }
  }
}

TEST(OptimizerTrainingTest, BothOptimizersLowerTheLoss) {
  for (const bool adamw : {true, false}) {
    SmallPipeline small(2);
    Optimizer optimizer = [&]() -> Optimizer {
      if (adamw) {
        return AdamW(small.pipeline.parameters(), {.learning_rate = 0.02F});
      }
      return Sgd(small.pipeline.parameters(), {.learning_rate = 0.2F, .momentum = 0.9F});
    }();
    const Batch batch = small_batch(0);
    const float first = small.pipeline.forward_backward(batch).loss;
    optimizer.step();
    for (int step = 1; step < 60; ++step) {
      small.pipeline.forward_backward(batch);
      optimizer.step();
    }
    EXPECT_LT(small.pipeline.evaluate(batch), 0.7F * first);
  }
}

TEST(OptimizerOptionsTest, AreJsonWithTheRateOfNow) {
  SmallPipeline small(1);
  AdamW optimizer(small.pipeline.parameters(), {.learning_rate = 0.5F, .weight_decay = 0.25F});
  optimizer.set_learning_rate(0.125);
  EXPECT_EQ(optimizer.learning_rate(), 0.125F);
  EXPECT_EQ(optimizer.name(), "adamw");
  const auto json = nlohmann::json::parse(optimizer.options());
  EXPECT_EQ(json.at("learning_rate"), 0.125);
  EXPECT_EQ(json.at("weight_decay"), 0.25);
}

TEST(OptimizerOptionsTest, RefusesWhatCannotWork) {
  SmallPipeline small(1);
  const ParameterSet& parameters = small.pipeline.parameters();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(AdamW(parameters, {.learning_rate = -1}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.learning_rate = nan}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.beta1 = 1}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.beta2 = -0.1F}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.epsilon = 0}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.weight_decay = -1}), InvalidArgument);
  EXPECT_THROW(AdamW(parameters, {.clip_norm = -1}), InvalidArgument);
  EXPECT_THROW(Sgd(parameters, {.momentum = 1}), InvalidArgument);
  EXPECT_THROW(Sgd(parameters, {.clip_norm = nan}), InvalidArgument);
  EXPECT_THAT(error_text<InvalidArgument>([&] { Sgd(parameters, {.learning_rate = -2}); }),
              HasSubstr("sgd: learning_rate is -2"));
  Sgd sgd(parameters);
  EXPECT_THROW(sgd.set_learning_rate(-1), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::train
