#include "lockflight/train/progress.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace lockflight::train {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr int kLeastBar = 5;
constexpr int kMostBar = 40;
constexpr std::string_view kGap = "  ";

std::string rate(double per_second) {
  if (per_second >= 999.5e3) {
    return fmt::format("{:.2f}M", per_second / 1e6);
  }
  if (per_second >= 999.5) {
    return fmt::format("{:.1f}k", per_second / 1e3);
  }
  return fmt::format("{:.0f}", per_second);
}

std::string count(const ProgressState& state) {
  const std::string steps = fmt::format("{}", state.steps);
  return fmt::format("{:>{}}/{}", state.step, steps.size(), steps);
}

// The most important first.
std::vector<std::string> numbers(const ProgressState& state) {
  std::vector<std::string> texts = {fmt::format("loss {:.4f}", state.loss)};
  if (state.validation_loss) {
    texts.push_back(fmt::format("validation {:.4f}", *state.validation_loss));
  }
  texts.push_back(rate(state.tokens_per_second) + " tokens/s");
  if (state.bubble) {
    texts.push_back(fmt::format("bubble {:.1f} %", *state.bubble * 100));
  }
  if (state.seconds_left) {
    texts.push_back(clock_time(*state.seconds_left) + " left");
  }
  return texts;
}

// "[====>     ]" in `width` columns.
std::string bar(const ProgressState& state, int width) {
  const int inside = width - 2;
  const double share =
      state.steps > 0
          ? std::clamp(static_cast<double>(state.step) / static_cast<double>(state.steps), 0.0, 1.0)
          : 0.0;
  const int filled = static_cast<int>(share * inside);
  std::string text(static_cast<std::size_t>(filled), '=');
  if (filled > 0 && filled < inside) {
    text.back() = '>';
  }
  return fmt::format("[{:<{}}]", text, inside);
}

}  // namespace

std::string clock_time(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(std::round(seconds), 0.0, 1e12));
  const std::int64_t minutes = whole / 60;
  return minutes < 60 ? fmt::format("{}:{:02}", minutes, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, whole % 60);
}

std::optional<double> time_left(std::int64_t first_step, std::int64_t step, std::int64_t steps,
                                double elapsed_seconds) {
  if (step <= first_step) {
    return std::nullopt;
  }
  return elapsed_seconds / static_cast<double>(step - first_step) *
         static_cast<double>(std::max<std::int64_t>(0, steps - step));
}

std::string progress_line(const ProgressState& state) {
  std::string line = "step " + count(state);
  for (const std::string& text : numbers(state)) {
    line += std::string(kGap) + text;
  }
  return line;
}

std::string progress_bar(const ProgressState& state, int columns) {
  const auto room = static_cast<std::size_t>(std::max(columns, 0));
  std::string line = count(state);
  for (const std::string& text : numbers(state)) {
    if (line.size() + kGap.size() + text.size() > room) {
      break;
    }
    line += std::string(kGap) + text;
  }
  const auto left = static_cast<int>(room) - static_cast<int>(line.size() + kGap.size());
  if (left < kLeastBar) {
    return line.substr(0, room);
  }
  return bar(state, std::min(left, kMostBar)) + std::string(kGap) + line;
}

void Progress::show(const ProgressState& state) {
  if (options_.terminal) {
    // The last column stays free: some terminals wrap when it is written.
    *out_ << kClearLine << progress_bar(state, options_.columns - 1) << std::flush;
    drawn_ = true;
  } else if (state.step % std::max<std::int64_t>(1, options_.line_interval) == 0 ||
             state.step == state.steps) {
    *out_ << progress_line(state) << std::endl;
  }
}

void Progress::pause() {
  if (drawn_) {
    *out_ << '\n' << std::flush;
    drawn_ = false;
  }
}

}  // namespace lockflight::train
