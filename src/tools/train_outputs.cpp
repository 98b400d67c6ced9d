#include "tools/train_outputs.h"

#include "lockflight/train/checkpoint.h"

namespace lockflight::tools {

TrainOutputs::TrainOutputs(const TrainOptions& options, std::int64_t first_step)
    : options_(options), first_step_(first_step) {
  if (!options.checkpoint.empty()) {
    train::prepare_checkpoint_folder(options.checkpoint);
  }
  if (!options.loss_log.empty()) {
    log_.emplace(options.loss_log, first_step);
  }
  if (!options.trace.empty()) {
    trace_.emplace(options.trace);
  }
  if (!options.loss_curve.empty()) {
    train::write_loss_curve(options.loss_curve, curve_);
  }
}

void TrainOutputs::add_step(std::int64_t step, float loss, const Timeline& timeline) {
  if (log_) {
    log_->add(step, loss);
  }
  if (trace_ && step - first_step_ < options_.trace_steps) {
    trace_->add(timeline, step);
  }
  curve_.training.push_back({.step = step, .loss = loss});
}

void TrainOutputs::add_validation(std::int64_t step, double loss) {
  curve_.validation.push_back({.step = step, .loss = loss});
}

void TrainOutputs::close() {
  if (trace_) {
    trace_->close();
  }
  if (!options_.loss_curve.empty()) {
    train::write_loss_curve(options_.loss_curve, curve_);
  }
}

std::vector<WrittenFile> TrainOutputs::files() const {
  std::vector<WrittenFile> files;
  const auto add = [&files](const char* what, const std::string& path) {
    if (!path.empty()) {
      files.push_back({.what = what, .path = path});
    }
  };
  add("checkpoint", options_.checkpoint);
  add("trace", options_.trace);
  add("loss curve", options_.loss_curve);
  add("loss log", options_.loss_log);
  return files;
}

}  // namespace lockflight::tools
