#include "lockflight/ops/adamw.h"

#include <cmath>

#include "train/optimizer_impl.h"

namespace lockflight::train {

AdamW::AdamW(const ParameterSet& parameters, const AdamWOptions& options)
    : Optimizer([&] {
        const std::string name = "adamw";
        check_common(name, options.learning_rate, options.weight_decay, options.clip_norm);
        for (const auto& [option, beta] :
             {std::pair("beta1", options.beta1), {"beta2", options.beta2}}) {
          check_option(beta >= 0 && beta < 1, name, option, beta, "at least 0 and less than 1");
        }
        check_option(std::isfinite(options.epsilon) && options.epsilon > 0, name, "epsilon",
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

}  // namespace lockflight::train
