#include "lockflight/train/optimizer.h"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/ops/adamw.h"
#include "lockflight/ops/clip_scale.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/post_validation.h"
#include "lockflight/ops/reduce.h"
#include "lockflight/ops/sgd.h"
#include "lockflight/plan/program.h"
#include "train/post_validation.h"

namespace lockflight::train {
namespace {

using Json = nlohmann::ordered_json;

void check(bool holds, std::string_view optimizer, std::string_view option, float value,
           std::string_view expected) {
  if (!holds) {
    throw InvalidArgument(
        fmt::format("{}: {} is {}; it must be {}", optimizer, option, value, expected));
  }
}

void check_rate(std::string_view optimizer, float rate) {
  check(std::isfinite(rate) && rate >= 0, optimizer, "learning_rate", rate,
        "finite and not negative");
}

void check_common(std::string_view optimizer, float learning_rate, float weight_decay,
                  float clip_norm) {
  check_rate(optimizer, learning_rate);
  check(std::isfinite(weight_decay) && weight_decay >= 0, optimizer, "weight_decay", weight_decay,
        "finite and not negative");
  check(clip_norm >= 0, optimizer, "clip_norm", clip_norm, "positive, or 0 to clip nothing");
}

void fill_with_zeros(Stream& stream, const TensorView& f64) {
  // Zero has the same bytes in every type.
  ops::fill(stream, TensorView(f64.data(), {{2 * f64.elements()}, DType::f32}), 0.0F);
}

}  // namespace

/// What the optimizers share.  They differ in a name, what they keep and one operation.
class Optimizer::Impl {
 public:
  struct Update {
    const nn::Parameter& parameter;
    std::span<const Tensor> kept;
    TensorView scale;
    float learning_rate;
    std::int64_t number;  // counted from 1
    bool zero_gradient;
  };

  struct Scratch {
    Tensor sums;   // of squares, of every entry, f64
    Tensor scale;  // f32 scalar
  };

  struct Rule {
    std::string name;
    std::vector<std::string> kept;
    float learning_rate = 0;
    float clip_norm = 0;
    std::function<void(Stream&, const Update&)> apply;
    Json options;
  };

  Impl(const ParameterSet& parameters, Rule rule)
      : parameters_(&parameters), rule_(std::move(rule)), kept_(parameters.entries().size()) {
    const auto entries = parameters.entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      for (const std::string& name : rule_.kept) {
        if (entries[i].tied_to < 0) {
          states_.push_back({.entry = i, .name = entries[i].parameter->name() + "." + name});
        }
      }
    }
    sums_.assign(static_cast<std::size_t>(parameters.ranks()), std::vector<double>(entries.size()));
    scratch_.resize(static_cast<std::size_t>(parameters.ranks()));
    validations_.resize(static_cast<std::size_t>(parameters.ranks()));
    parameters.on_each_rank([this](RankContext& context) { allocate(context); });
  }

  double step() {
    rates_ = {rule_.learning_rate};
    parameters_->update(work());
    return finish_step(sums_.front());
  }

  void train(std::span<const StepInput> steps,
             const std::function<void(const StepResult&, double)>& done) {
    rates_.clear();
    for (const StepInput& step : steps) {
      check_rate(rule_.name, static_cast<float>(step.learning_rate));
      rates_.push_back(static_cast<float>(step.learning_rate));
    }
    sums_of_steps_.clear();
    if (steps.empty()) {
      return;
    }
    const std::vector<StepResult> results = parameters_->train(steps, work());
    for (std::size_t i = 0; i < results.size(); ++i) {
      rule_.learning_rate = rates_[i];
      const double norm = finish_step(sums_of_steps_[i]);
      if (done) {
        done(results[i], norm);
      }
    }
  }

  std::vector<float> read_back(std::size_t state) const {
    const std::size_t entry = states_.at(state).entry;
    const Tensor& kept = kept_[entry][state % rule_.kept.size()];
    std::vector<float> values(static_cast<std::size_t>(kept.spec().elements()));
    parameters_->on_each_rank([&](RankContext& context) {
      if (parameters_->entries()[entry].rank == context.rank) {
        context.stream.download(values.data(), kept);
      }
    });
    return values;
  }

  void write(std::size_t state, std::span<const float> values) {
    const auto entries = parameters_->entries();
    const std::size_t entry = states_.at(state).entry;
    const auto elements = entries[entry].parameter->elements();
    if (static_cast<std::int64_t>(values.size()) != elements) {
      throw InvalidArgument(fmt::format("{}: {} values for {}, which has {}", rule_.name,
                                        values.size(), states_[state].name, elements));
    }
    parameters_->on_each_rank([&](RankContext& context) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const bool same = i == entry || entries[i].tied_to == static_cast<int>(entry);
        if (same && entries[i].rank == context.rank) {
          context.stream.upload(kept_[i][state % rule_.kept.size()], values.data());
        }
      }
    });
  }

  Rule& rule() { return rule_; }
  const std::vector<State>& states() const { return states_; }

  std::int64_t updates = 0;

 private:
  void allocate(RankContext& context) {
    const auto entries = parameters_->entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].rank != context.rank) {
        continue;
      }
      for (std::size_t k = 0; k < rule_.kept.size(); ++k) {
        kept_[i].push_back(context.device.empty(entries[i].parameter->spec()));
        ops::fill(context.stream, kept_[i].back(), 0.0F);
      }
    }
    if (parameters_->in_schedule()) {
      validations_[context.rank].emplace(context, std::ssize(entries), updated_on(context.rank));
      return;
    }
    scratch_[context.rank] = {
        .sums = context.device.empty({{static_cast<std::int64_t>(entries.size())}, DType::f64}),
        .scale = context.device.empty({{}, DType::f32})};
  }

  // What an update of the rank changes.
  std::vector<TensorView> updated_on(int rank) const {
    const auto entries = parameters_->entries();
    std::vector<TensorView> updated;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].rank == rank) {
        updated.push_back(entries[i].parameter->value());
        updated.insert(updated.end(), kept_[i].begin(), kept_[i].end());
      }
    }
    return updated;
  }

  // Zero for what lies on other ranks.
  void sum_squares(RankContext& context, const TensorView& sums) {
    Stream& stream = context.stream;
    const auto entries = parameters_->entries();
    const auto count = static_cast<std::int64_t>(entries.size());
    fill_with_zeros(stream, sums);
    for (std::int64_t i = 0; i < count; ++i) {
      const ParameterSet::Entry& entry = entries[i];
      if (entry.rank == context.rank && entry.tied_to < 0) {
        ops::sum_of_squares(stream, sums.slice(i, 1).reshaped({}), entry.parameter->grad());
      }
    }
  }

  void find_norm(RankContext& context) {
    Stream& stream = context.stream;
    const Tensor& sums = scratch_[context.rank].sums;
    sum_squares(context, sums);
    // Every sum is zero on all ranks but one, so adding them up is exact.
    std::vector<int> ranks(static_cast<std::size_t>(context.ranks));
    std::iota(ranks.begin(), ranks.end(), 0);
    context.transport.all_reduce(stream, sums, ranks, plan::kNormChannel);
    ops::clip_scale(stream, scratch_[context.rank].scale, sums, max_norm());
    read(context, sums);
  }

  void read(RankContext& context, const TensorView& sums) {
    context.stream.download(sums_[context.rank].data(), sums);
  }

  static double norm_of(const std::vector<double>& sums) {
    return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
  }

  plan::Verdict verdict(const RankContext& context) {
    const std::vector<double>& sums = sums_[context.rank];
    if (context.rank == 0) {
      sums_of_steps_.push_back(sums);
    }
    const double norm = norm_of(sums);
    return !std::isfinite(norm) ? plan::Verdict::refused
           : norm <= max_norm() ? plan::Verdict::accepted
                                : plan::Verdict::amended;
  }

  // Counts an update, or says why there was none.
  double finish_step(const std::vector<double>& sums) {
    const double norm = norm_of(sums);
    if (!std::isfinite(norm)) {
      refuse(norm, sums);
    }
    ++updates;
    parameters_->count_step();
    return norm;
  }

  UpdateWork work() {
    const auto sums_on = [this](int rank) { return validations_[rank]->sums(); };
    return {.gradient_norm = [this](RankContext& context) { find_norm(context); },
            .update = [this](RankContext& context) { update(context); },
            .gradient_sums =
                [this, sums_on](RankContext& context) {
                  sum_squares(context, sums_on(context.rank).known);
                },
            .add_sums =
                [sums_on](RankContext& context) {
                  const plan::RankSums sums = sums_on(context.rank);
                  ops::add_sums(context.stream, sums.known, sums.received);
                },
            .read_sums =
                [this, sums_on](RankContext& context) { read(context, sums_on(context.rank).all); },
            .validate = [this](RankContext& context) { validate(context); },
            .sums = sums_on,
            .verdict = [this](const RankContext& context) { return verdict(context); }};
  }

  double max_norm() const {
    return rule_.clip_norm > 0 ? rule_.clip_norm : std::numeric_limits<double>::infinity();
  }

  void update(RankContext& context) {
    if (parameters_->in_schedule()) {
      PostValidation& validation = *validations_[context.rank];
      apply(context, validation.begin(context.stream, max_norm()), validation.certain());
    } else {
      apply(context, scratch_[context.rank].scale, true);
    }
  }

  void validate(RankContext& context) {
    PostValidation& validation = *validations_[context.rank];
    if (!validation.certain()) {
      apply(context, validation.amend(context.stream, max_norm()), true);
    }
  }

  void apply(RankContext& context, const TensorView& scale, bool zero_gradient) {
    const auto entries = parameters_->entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].rank == context.rank) {
        rule_.apply(context.stream,
                    {.parameter = *entries[i].parameter,
                     .kept = kept_[i],
                     .scale = scale,
                     .learning_rate = rates_[context.step],
                     .number = updates + 1 + static_cast<std::int64_t>(context.step),
                     .zero_gradient = zero_gradient});
        entries[i].parameter->refresh(context.stream);
      }
    }
  }

  // The operations have left everything but the gradients alone: see ops::adamw, gradient_scale.
  [[noreturn]] void refuse(double norm, const std::vector<double>& sums) const {
    std::string culprit = "all of them together";
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (!std::isfinite(sums[i])) {
        culprit = parameters_->entries()[i].parameter->name();
        break;
      }
    }
    throw Error(fmt::format(
        "{}: the norm of the gradients is {} at update {}, by that of {}; nothing was updated: "
        "lower the learning rate, clip, or look at the data",
        rule_.name, norm, updates + 1, culprit));
  }

  const ParameterSet* parameters_;
  Rule rule_;
  std::vector<std::vector<Tensor>> kept_;  // of every entry, on its rank
  std::vector<State> states_;
  std::vector<std::vector<double>> sums_;           // of every rank, all entries
  std::vector<std::vector<double>> sums_of_steps_;  // of one call
  std::vector<float> rates_;                        // of the steps of one call
  std::vector<Scratch> scratch_;  // of every rank, if it meets the others for the norm
  std::vector<std::optional<PostValidation>> validations_;  // of every rank, if it does not
};

Optimizer::Optimizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;

double Optimizer::step() { return impl_->step(); }

void Optimizer::train(std::span<const StepInput> steps,
                      const std::function<void(const StepResult&, double)>& done) {
  impl_->train(steps, done);
}

float Optimizer::learning_rate() const { return impl_->rule().learning_rate; }

void Optimizer::set_learning_rate(double rate) {
  check_rate(name(), static_cast<float>(rate));
  impl_->rule().learning_rate = static_cast<float>(rate);
}

std::string_view Optimizer::name() const { return impl_->rule().name; }

std::string Optimizer::options() const {
  Json options = impl_->rule().options;
  options["learning_rate"] = impl_->rule().learning_rate;
  return options.dump();
}

std::int64_t Optimizer::updates() const { return impl_->updates; }
void Optimizer::set_updates(std::int64_t updates) { impl_->updates = updates; }
const std::vector<Optimizer::State>& Optimizer::states() const { return impl_->states(); }

std::vector<float> Optimizer::read_back(std::size_t state) const { return impl_->read_back(state); }

void Optimizer::write(std::size_t state, std::span<const float> values) {
  impl_->write(state, values);
}

AdamW::AdamW(const ParameterSet& parameters, const AdamWOptions& options)
    : Optimizer([&] {
        const std::string name = "adamw";
        check_common(name, options.learning_rate, options.weight_decay, options.clip_norm);
        for (const auto& [option, beta] :
             {std::pair("beta1", options.beta1), {"beta2", options.beta2}}) {
          check(beta >= 0 && beta < 1, name, option, beta, "at least 0 and less than 1");
        }
        check(std::isfinite(options.epsilon) && options.epsilon > 0, name, "epsilon",
              options.epsilon, "finite and positive");
        const auto apply = [options](Stream& stream, const Impl::Update& update) {
          ops::adamw(stream, update.parameter.value(), update.kept[0], update.kept[1],
                     update.parameter.grad(), update.scale,
                     {.learning_rate = update.learning_rate,
                      .beta1 = options.beta1,
                      .beta2 = options.beta2,
                      .epsilon = options.epsilon,
                      .weight_decay = update.parameter.decays() ? options.weight_decay : 0.0F,
                      .step = update.number,
                      .zero_gradient = update.zero_gradient});
        };
        return std::make_unique<Impl>(
            parameters, Impl::Rule{.name = name,
                                   .kept = {"exp_avg", "exp_avg_sq"},
                                   .learning_rate = options.learning_rate,
                                   .clip_norm = options.clip_norm,
                                   .apply = apply,
                                   .options = {{"learning_rate", options.learning_rate},
                                               {"beta1", options.beta1},
                                               {"beta2", options.beta2},
                                               {"epsilon", options.epsilon},
                                               {"weight_decay", options.weight_decay},
                                               {"clip_norm", options.clip_norm}}});
      }()) {}

Sgd::Sgd(const ParameterSet& parameters, const SgdOptions& options)
    : Optimizer([&] {
        const std::string name = "sgd";
        check_common(name, options.learning_rate, options.weight_decay, options.clip_norm);
        check(options.momentum >= 0 && options.momentum < 1, name, "momentum", options.momentum,
              "at least 0 and less than 1");
        const auto apply = [options](Stream& stream, const Impl::Update& update) {
          ops::sgd(stream, update.parameter.value(), update.kept[0], update.parameter.grad(),
                   update.scale,
                   {.learning_rate = update.learning_rate,
                    .momentum = options.momentum,
                    .weight_decay = update.parameter.decays() ? options.weight_decay : 0.0F,
                    .zero_gradient = update.zero_gradient});
        };
        return std::make_unique<Impl>(
            parameters, Impl::Rule{.name = name,
                                   .kept = {"momentum_buffer"},
                                   .learning_rate = options.learning_rate,
                                   .clip_norm = options.clip_norm,
                                   .apply = apply,
                                   .options = {{"learning_rate", options.learning_rate},
                                               {"momentum", options.momentum},
                                               {"weight_decay", options.weight_decay},
                                               {"clip_norm", options.clip_norm}}});
      }()) {}

}  // namespace lockflight::train
