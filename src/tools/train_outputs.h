// The files that training writes beside its checkpoint.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockflight/plan/timeline.h"
#include "lockflight/train/loss_curve.h"
#include "lockflight/train/loss_log.h"
#include "lockflight/train/trace_file.h"
#include "tools/train_options.h"
#include "tools/train_report.h"

namespace lockflight::tools {

class TrainOutputs {
 public:
  /// Opens all of them, so that a file that cannot be written is known before the first step.
  /// Throws FileError.  The options must outlive it.
  ///   first_step   of this run: a resumed one keeps the losses of the log before it
  TrainOutputs(const TrainOptions& options, std::int64_t first_step);

  /// After a step.  Throws FileError.
  void add_step(std::int64_t step, float loss, const Timeline& timeline);
  void add_validation(std::int64_t step, double loss);
  /// Throws FileError.
  void close();

  /// Those that were asked for.
  std::vector<WrittenFile> files() const;

 private:
  const TrainOptions& options_;
  std::int64_t first_step_;
  std::optional<train::LossLog> log_;
  std::optional<train::TraceFile> trace_;
  train::LossCurve curve_;
};

}  // namespace lockflight::tools
