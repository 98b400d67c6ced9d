// Trains a small model with the optimizer after the step or in the schedule.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"
#include "sanitized.h"

namespace lockflight::test {

using plan::OptimizerPlace;

inline constexpr std::int64_t kRows = 1;
inline constexpr std::uint32_t kSteps = 5;

struct Case {
  int ranks = 1;
  std::string schedule = "1f1b";
  int stages_per_rank = 1;
  OptimizerPlace place = OptimizerPlace::after_step;
  std::string optimizer = "adamw";
  float clip = 0;
  bool tied = false;
  DType dtype = DType::f32;
  std::string csv = {};  // a schedule of one's own
};

// What is the same for every partition, to the bit.
struct Outcome {
  std::vector<float> losses;
  std::vector<double> norms;
  std::vector<std::uint64_t> weights;
  std::string error;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

inline void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << testing::PrintToString(outcome.losses) << testing::PrintToString(outcome.norms)
       << testing::PrintToString(outcome.weights) << outcome.error;
}

// How often a rank but the last updated at once and kept that, took it back, or left it out.
struct Paths {
  int kept = 0;
  int taken_back = 0;
  int late = 0;
};

class Training {
 public:
  Training(const Case& given, const Streams& streams)
      : given_(given),
        world_(make_world(given.ranks, streams)),
        pipeline_(make_pipeline()),
        optimizer_(make_optimizer()) {}

  Outcome run(std::uint32_t steps = kSteps) {
    Outcome outcome;
    for (std::uint32_t i = 0; i < steps; ++i) {
      outcome.losses.push_back(forward_backward());
      outcome.norms.push_back(optimizer_->step());
      outcome.weights.push_back(pipeline_.weights_hash());
    }
    return outcome;
  }

  // The same with a learning rate of its own for each step, in one call or in one for each.
  Outcome run_row(const std::vector<double>& rates, bool apart = false) {
    std::vector<Batch> batches;
    std::vector<StepInput> inputs;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      batches.push_back(
          token_batch(kRows * kMicroBatches, pipeline_.step() + static_cast<std::uint32_t>(i)));
    }
    for (std::size_t i = 0; i < rates.size(); ++i) {
      inputs.push_back({.batch = &batches[i], .learning_rate = rates[i]});
    }
    Outcome outcome;
    const auto done = [&](const StepResult& result, double norm) {
      outcome.losses.push_back(result.loss);
      outcome.norms.push_back(norm);
    };
    try {
      if (!apart) {
        optimizer_->train(inputs, done);
      }
      for (std::size_t i = 0; apart && i < inputs.size(); ++i) {
        optimizer_->set_learning_rate(rates[i]);
        const StepResult result = pipeline_.forward_backward(batches[i]);
        done(result, optimizer_->step());
      }
    } catch (const Error& error) {
      outcome.error = error.what();
    }
    outcome.weights.push_back(pipeline_.weights_hash());
    return outcome;
  }

  float forward_backward() {
    return pipeline_.forward_backward(token_batch(kRows * kMicroBatches, pipeline_.step())).loss;
  }

  // By the gradients that the ranks have now.
  void count(Paths& paths) {
    const auto gradients = gradients_of(pipeline_);
    std::vector<double> squares(static_cast<std::size_t>(given_.ranks) + 1, 0);
    for (const auto& entry : pipeline_.parameters().entries()) {
      for (const float g : gradients.at(entry.parameter->name())) {
        squares[entry.rank + 1] += entry.tied_to < 0 ? double{g} * double{g} : 0;
      }
    }
    for (int rank = 0; rank < given_.ranks; ++rank) {
      squares[rank + 1] += squares[rank];
    }
    const bool clipped = std::sqrt(squares.back()) > given_.clip;
    for (int rank = 0; rank + 1 < given_.ranks; ++rank) {
      const bool at_once = std::sqrt(squares[rank + 1]) <= given_.clip;
      (at_once && !clipped ? paths.kept : at_once ? paths.taken_back : paths.late) += 1;
    }
  }

  Pipeline& pipeline() { return pipeline_; }
  train::Optimizer& optimizer() { return *optimizer_; }

 private:
  Pipeline make_pipeline() {
    nn::Model model = tiny_gpt2(given_.tied, 0.1F, given_.dtype);
    const Plan plan = make_plan(model, world_,
                                {.micro_batch = {.rows = kRows},
                                 .micro_batches = kMicroBatches,
                                 .schedule = given_.schedule,
                                 .stages_per_rank = given_.stages_per_rank,
                                 .own_schedule = own_schedule(),
                                 .optimizer_states = given_.optimizer == "sgd" ? 1 : 2,
                                 .lower = {.optimizer = given_.place}});
    return {world_, std::move(model), plan, {.seed = 3}};
  }

  std::optional<schedule::Schedule> own_schedule() const {
    return given_.csv.empty() ? std::nullopt : std::optional(schedule::read_csv(given_.csv));
  }

  std::unique_ptr<train::Optimizer> make_optimizer() {
    const ParameterSet& parameters = pipeline_.parameters();
    if (given_.optimizer == "sgd") {
      return std::make_unique<train::Sgd>(parameters, train::SgdOptions{.learning_rate = 0.1F,
                                                                        .momentum = 0.9F,
                                                                        .weight_decay = 0.01F,
                                                                        .clip_norm = given_.clip});
    }
    return std::make_unique<train::AdamW>(
        parameters, train::AdamWOptions{.learning_rate = 0.01F, .clip_norm = given_.clip});
  }

  Case given_;
  World world_;
  Pipeline pipeline_;
  std::unique_ptr<train::Optimizer> optimizer_;
};

// Compares with one rank and the optimizer after the step.
class UpdateTest : public StreamsTest {
 protected:
  static Streams plainest() { return test::plainest(GetParam()); }

  // Nothing; about every second step; every step, on all ranks but perhaps the first at once.
  static std::vector<float> clips(const Case& given) {
    Case unclipped = given;
    unclipped.clip = 0;
    std::vector<double> norms = Training(unclipped, plainest()).run().norms;
    std::ranges::sort(norms);
    return {0, static_cast<float>(norms[norms.size() / 2]), static_cast<float>(norms.front() / 8)};
  }

  // Kernels of the virtual GPU host take their time, and the CPU's tests have walked the matrix.
  static bool is_slow() { return kSanitized || GetParam().device == DeviceKind::cuda; }
  static std::vector<std::pair<int, int>> sizes() {
    return is_slow() ? std::vector{std::pair{2, 2}} : std::vector{std::pair{2, 1}, {3, 1}, {2, 2}};
  }

  // Up to four ranks, for both optimizers, with any of the clips.
  template <class Run>
  static void expect_same_bits(const Run& run) {
    for (const std::string optimizer : {"adamw", "sgd"}) {
      Case given{.schedule = "gpipe", .optimizer = optimizer, .tied = optimizer == "sgd"};
      const std::vector<float> all = clips(given);
      for (const float clip : kSanitized ? std::vector{all[1]} : all) {
        given.clip = clip;
        given.ranks = 1;
        given.schedule = "gpipe";
        given.place = OptimizerPlace::after_step;
        const Outcome expected = run(given, plainest());
        given.place = OptimizerPlace::in_schedule;
        for (const int ranks :
             clip == all[1] && !is_slow() ? std::vector{1, 2, 3, 4} : std::vector{3}) {
          given.ranks = ranks;
          given.schedule = ranks % 2 == 0 ? "gpipe" : "1f1b";
          EXPECT_EQ(run(given, GetParam()), expected)
              << ranks << " ranks, " << optimizer << ", clip " << clip;
        }
      }
    }
  }

  // With every schedule that trains, at all sizes that it admits.
  template <class Run>
  static void expect_same_bits_for_every_schedule(const Run& run) {
    Case given{.schedule = "gpipe", .tied = true};
    given.clip = clips(given)[1];
    const Outcome expected = run(given, plainest());
    given.place = OptimizerPlace::in_schedule;
    for (const schedule::ScheduleInfo& info : some_schedules()) {
      if (info.copies > 1) {
        continue;  // it has bits of its own: see dualpipe_test
      }
      for (const auto& [ranks, stages] : sizes()) {
        given.schedule = info.name;
        given.ranks = ranks;
        given.stages_per_rank = stages;
        if (trains(given)) {
          EXPECT_EQ(run(given, GetParam()), expected) << info.name << " on " << ranks << " ranks";
        }
      }
    }
  }

 private:
  // Whether the schedule has backwards, and admits this size.
  static bool trains(const Case& given) {
    try {
      return schedule::has_backward(
          schedule::make_schedule(given.schedule, {.ranks = given.ranks,
                                                   .micro_batches = kMicroBatches,
                                                   .stages_per_rank = given.stages_per_rank}));
    } catch (const InvalidArgument&) {
      return false;
    }
  }
};

}  // namespace lockflight::test
