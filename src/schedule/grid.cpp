#include "lockflight/schedule/grid.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::schedule {
namespace {

constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kIdleColour = "\x1b[2m";

std::string_view colour_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return "\x1b[97;44m";
    case ActionKind::input_gradient:
      return "\x1b[30;46m";
    case ActionKind::weight_gradient:
      return "\x1b[30;43m";
    default:
      return "\x1b[30;42m";
  }
}

// One unit of time on one rank: the action that fills it, and how far into that action it is.
struct Slot {
  std::optional<Action> action;
  int offset = 0;
  int length = 1;
};

class Grid {
 public:
  Grid(const Schedule& schedule, const GridOptions& options)
      : schedule_(schedule), options_(options) {
    const Timetable timetable =
        make_timetable(schedule, {.forward = static_cast<double>(options.forward),
                                  .input_gradient = static_cast<double>(options.input_gradient),
                                  .weight_gradient = static_cast<double>(options.weight_gradient)});
    const auto slots = static_cast<std::size_t>(timetable.makespan());
    for (const std::vector<TimedCell>& row : timetable.rows) {
      std::vector<Slot>& line = lines_.emplace_back(slots);
      for (const TimedCell& timed : row) {
        fill(line, timed);
      }
    }
    title_width_ = static_cast<int>(title(schedule.ranks() - 1).size());
  }

  std::string draw() {
    const int slots = lines_.empty() ? 0 : static_cast<int>(lines_.front().size());
    gap_ = fits(slots, label_width_ + 1) || !fits(slots, label_width_) ? 1 : 0;
    const int block = fits(slots, label_width_ + gap_) ? slots : slots_that_fit();
    std::string text;
    for (int begin = 0; begin < slots; begin += block) {
      text += begin == 0 ? "" : "\n";
      for (int rank = 0; rank < schedule_.ranks(); ++rank) {
        text += draw_line(rank, begin, std::min(begin + block, slots));
      }
    }
    return text;
  }

 private:
  void fill(std::vector<Slot>& line, const TimedCell& timed) {
    auto slot = static_cast<std::size_t>(timed.begin);
    for (const Action& action : timed.cell) {
      const int length = length_of(action.kind);
      for (int offset = 0; offset < length; ++offset) {
        line[slot++] = {action, offset, length};
      }
      label_width_ = std::max(label_width_, static_cast<int>(label(action).size()));
    }
  }

  int length_of(ActionKind kind) const {
    switch (kind) {
      case ActionKind::forward:
        return options_.forward;
      case ActionKind::input_gradient:
        return options_.input_gradient;
      case ActionKind::weight_gradient:
        return options_.weight_gradient;
      default:
        return options_.input_gradient + options_.weight_gradient;
    }
  }

  std::string label(const Action& action) const {
    return schedule_.stages() > schedule_.ranks()
               ? to_string(action)
               : fmt::format("{}{}", name_of(action.kind), action.micro_batch);
  }

  static std::string title(int rank) { return fmt::format("rank {}  ", rank); }

  bool fits(int slots, int width) const {
    return options_.columns <= 0 || title_width_ + slots * width <= options_.columns;
  }

  int slots_that_fit() const {
    return std::max(1, (options_.columns - title_width_) / (label_width_ + gap_));
  }

  std::string draw_line(int rank, int begin, int end) const {
    std::string line = fmt::format("{:<{}}", title(rank), title_width_);
    std::string_view current = kPlain;
    for (int i = begin; i < end; ++i) {
      const Slot& slot = lines_[rank][i];
      const std::string_view wanted = slot.action ? colour_of(slot.action->kind) : kIdleColour;
      if (options_.colour && wanted != current) {
        line += kPlain;
        line += wanted;
        current = wanted;
      }
      line += text_of(slot);
    }
    if (options_.colour) {
      return line + std::string(kPlain) + "\n";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

  // A slot's share of its action's text: the label, then a line to the end of the last slot.
  std::string text_of(const Slot& slot) const {
    const int width = label_width_ + gap_;
    if (!slot.action) {
      return fmt::format("{:<{}}", ".", width);
    }
    const char fill = slot.length == 1 ? ' ' : '-';
    std::string whole = label(*slot.action);
    whole.resize(slot.length * width - gap_, fill);
    whole.resize(slot.length * width, ' ');
    return whole.substr(static_cast<std::size_t>(slot.offset) * width, width);
  }

  const Schedule& schedule_;
  const GridOptions& options_;
  std::vector<std::vector<Slot>> lines_;
  int label_width_ = 1;
  int title_width_ = 0;
  int gap_ = 1;
};

}  // namespace

std::string draw_grid(const Schedule& schedule, const GridOptions& options) {
  if (options.forward < 1 || options.input_gradient < 1 || options.weight_gradient < 1) {
    throw InvalidArgument(
        fmt::format("grid: F takes {}, I {} and W {} slots; each must take at least 1",
                    options.forward, options.input_gradient, options.weight_gradient));
  }
  return Grid(schedule, options).draw();
}

}  // namespace lockflight::schedule
