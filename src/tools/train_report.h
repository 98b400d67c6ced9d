// What training prints: for people, or one JSON object a line for machines.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/plan/plan.h"
#include "lockflight/train/progress.h"
#include "tools/console.h"
#include "tools/prediction_check.h"
#include "tools/train_options.h"

namespace lockflight::tools {

struct WrittenFile {
  std::string what;  ///< "checkpoint", "trace", …
  std::string path;
};

/// What is known at the end of a run.
struct TrainSummary {
  std::int64_t steps = 0;  ///< done in all, those before a resume too
  std::optional<double> loss;
  std::optional<double> validation_loss;
  std::optional<double> measured_bubble;  ///< mean over the steps
  std::uint64_t weights = 0;
  std::optional<std::string> sample;
  std::vector<WrittenFile> files;
  int signal = 0;  ///< that stopped it, or 0
};

class TrainReport {
 public:
  /// Console and options must outlive it.
  TrainReport(const TrainOptions& options, const Console& console);
  /// Ends the line of a bar, so that what is said about a failure has a line of its own.
  ~TrainReport();
  TrainReport(const TrainReport&) = delete;
  TrainReport& operator=(const TrainReport&) = delete;

  /// The plan and the timetable.  Without tokens it is all that is printed.
  void begin(const Plan& plan, std::int64_t parameters, std::optional<std::int64_t> tokens);
  /// A sentence by itself; nothing for machines.
  void note(const std::string& text);
  void step(const train::ProgressState& state);
  void end(const Plan& plan, const PredictionCheck& check, const TrainSummary& summary);

 private:
  const TrainOptions& options_;
  const Console& console_;
  train::Progress progress_;
};

}  // namespace lockflight::tools
