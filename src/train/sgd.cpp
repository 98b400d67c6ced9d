#include "lockflight/ops/sgd.h"

#include "train/optimizer_impl.h"

namespace lockflight::train {

Sgd::Sgd(const ParameterSet& parameters, const SgdOptions& options)
    : Optimizer([&] {
        const std::string name = "sgd";
        check_common(name, options.learning_rate, options.weight_decay, options.clip_norm);
        check_option(options.momentum >= 0 && options.momentum < 1, name, "momentum",
                     options.momentum, "at least 0 and less than 1");
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
