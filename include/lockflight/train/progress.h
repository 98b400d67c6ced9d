// How far a run is, for people: a bar on a terminal, plain lines elsewhere.
//
//   [=========>            ]  412/1000  loss 2.314  validation 2.402  18.3k tokens/s  bubble 11.9 %
//   2:41 left

#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace lockflight::train {

struct ProgressState {
  std::int64_t step = 0;   ///< steps done
  std::int64_t steps = 0;  ///< of so many
  double loss = 0;
  std::optional<double> validation_loss = std::nullopt;
  double tokens_per_second = 0;
  std::optional<double> bubble = std::nullopt;  ///< idle share of all ranks up to a common end
  std::optional<double> seconds_left = std::nullopt;  ///< none: not known yet
};

/// One line without an end: the numbers, after a bar that takes what is left of `columns`; with
/// little room the bar goes first, then the numbers from the right.
std::string progress_bar(const ProgressState& state, int columns);

/// "step 412/1000  loss 2.3141  validation 2.4022  18.3k tokens/s  bubble 11.9 %  2:41 left"
std::string progress_line(const ProgressState& state);

/// "0:07", "12:41", "3:05:00"
std::string clock_time(double seconds);

/// Seconds left if the steps that remain take as long each as those done since `first_step`.  None
/// before there is one.
std::optional<double> time_left(std::int64_t first_step, std::int64_t step, std::int64_t steps,
                                double elapsed_seconds);

struct ProgressOptions {
  bool terminal = false;            ///< draw a bar over the line before
  int columns = 80;                 ///< of the terminal
  std::int64_t line_interval = 10;  ///< no terminal: a line every so many steps, and at the last
};

/// Writes to a stream that must outlive it.
class Progress {
 public:
  Progress(std::ostream& out, const ProgressOptions& options) : out_(&out), options_(options) {}

  /// After a step.
  void show(const ProgressState& state);
  /// Ends the line of the bar, so that other text can follow; the next `show` draws it again.
  void pause();

 private:
  std::ostream* out_;
  ProgressOptions options_;
  bool drawn_ = false;
};

}  // namespace lockflight::train
