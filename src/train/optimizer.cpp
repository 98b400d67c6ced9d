#include "lockflight/train/optimizer.h"

#include <cmath>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "train/optimizer_impl.h"

namespace lockflight::train {

void check_option(bool holds, std::string_view optimizer, std::string_view option, float value,
                  std::string_view expected) {
  if (!holds) {
    throw InvalidArgument(
        fmt::format("{}: {} is {}; it must be {}", optimizer, option, value, expected));
  }
}

void check_rate(std::string_view optimizer, float rate) {
  check_option(std::isfinite(rate) && rate >= 0, optimizer, "learning_rate", rate,
               "finite and not negative");
}

void check_common(std::string_view optimizer, float learning_rate, float weight_decay,
                  float clip_norm) {
  check_rate(optimizer, learning_rate);
  check_option(std::isfinite(weight_decay) && weight_decay >= 0, optimizer, "weight_decay",
               weight_decay, "finite and not negative");
  check_option(clip_norm >= 0, optimizer, "clip_norm", clip_norm, "positive, or 0 to clip nothing");
}

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
  nlohmann::ordered_json options = impl_->rule().options;
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

}  // namespace lockflight::train
