#include "lockflight/schedule/text.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/text_place.h"
#include "lockflight/core/error.h"
#include "schedule/cell_text.h"
#include "schedule/text_lines.h"

namespace lockflight::schedule {
namespace {

constexpr std::string_view kFormat = "lockflight schedule ";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kIdle = ".";
constexpr std::string_view kAfterStep = "TIED NORM UPDATE";
constexpr std::string_view kInSchedule = "TIED SUMS UPDATE VALIDATE";
constexpr std::string_view kNever = "never";
constexpr std::string_view kAlways = "always";
constexpr int kLargest = std::numeric_limits<int>::max();

bool is_end_word(std::string_view word) {
  return word == "TIED" || word == "NORM" || word == "SUMS" || word == "UPDATE" ||
         word == "VALIDATE";
}

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

std::vector<int> ranks_of(const Placement& placement) {
  std::vector<int> ranks;
  for (int stage = 0; stage < placement.stages(); ++stage) {
    ranks.push_back(placement.rank_of(stage));
  }
  return ranks;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), lines_(text) {}

  SavedSchedule read() {
    read_version();
    saved_.schedule.name = lines_.next("name ");
    check_name();
    lines_.next("micro-batches ");
    saved_.schedule.micro_batches = lines_.only_number(1);
    read_placement();
    if (lines_.next_starts_with("copies ")) {
      read_copies();
    }
    if (lines_.next_starts_with("layers ")) {
      read_layers();
    }
    if (lines_.next_starts_with("recompute ")) {
      read_recompute();
    }
    for (int rank = 0; rank < saved_.schedule.ranks(); ++rank) {
      read_row(rank);
    }
    lines_.expect_end(fmt::format("a line follows the rows of all {} ranks of the placement",
                                  saved_.schedule.ranks()));
    check_complete();
    check_ends();
    return std::move(saved_);
  }

 private:
  void read_version() {
    if (lines_.next(kFormat) != kVersion) {
      lines_.refuse(
          lines_.begin(),
          fmt::format("the file is of another version than {0}, the only one that is known here; "
                      "save it as version {0} or as CSV with the lockflight that wrote it, or "
                      "read it with a newer one",
                      kVersion));
    }
  }

  void check_name() const {
    const std::string& name = saved_.schedule.name;
    const auto found = std::ranges::find_if_not(name, is_printable);
    if (name.empty() || found != name.end()) {
      lines_.refuse(lines_.begin() + (found - name.begin()),
                    "a name is one or more printable ASCII characters");
    }
  }

  void read_placement() {
    lines_.next("placement ");
    std::vector<int> ranks = lines_.numbers(0);
    try {
      saved_.schedule.placement = Placement(std::move(ranks));
    } catch (const InvalidArgument& error) {
      lines_.refuse(lines_.begin(), error.what());
    }
  }

  // One copy needs no line.
  void read_copies() {
    lines_.next("copies ");
    Placement& placement = saved_.schedule.placement;
    const int ranks = placement.ranks();
    if (lines_.only_number(1) != 2 || ranks % 2 != 0 ||
        ranks_of(placement) != ranks_of(Placement::two_way(ranks))) {
      lines_.refuse(lines_.begin(),
                    "only two copies of a model are known, one down an even number of ranks and "
                    "one up again; leave the line out for one copy");
    }
    if (saved_.schedule.micro_batches % 2 != 0) {
      lines_.refuse(lines_.begin(), fmt::format("two copies share the micro-batches, but {} is odd",
                                                saved_.schedule.micro_batches));
    }
    placement = Placement::two_way(ranks);
  }

  void read_layers() {
    std::vector<int>& layers = saved_.choices.layers;
    lines_.next("layers ");
    layers = lines_.numbers(1);
    const int stages = saved_.schedule.placement.parts();
    if (std::cmp_not_equal(layers.size(), stages)) {
      lines_.refuse(lines_.begin(), fmt::format("layers of {} stages, but a model has {} here",
                                                layers.size(), stages));
    }
    if (std::accumulate(layers.begin(), layers.end(), std::int64_t{0}) > kLargest) {
      lines_.refuse(lines_.begin(), fmt::format("more than {} layers in all", kLargest));
    }
  }

  void read_recompute() {
    using enum Choices::Recompute;
    Choices& choices = saved_.choices;
    const std::string_view value = lines_.next("recompute ");
    choices.recompute = value == kNever ? never : value == kAlways ? always : listed;
    if (choices.recompute != listed) {
      return;
    }
    choices.recomputed = lines_.numbers(0);
    if (std::ranges::adjacent_find(choices.recomputed, std::greater_equal()) !=
        choices.recomputed.end()) {
      lines_.refuse(lines_.begin(), "expected numbers of layers in ascending order, each once");
    }
    const int layers = std::accumulate(choices.layers.begin(), choices.layers.end(), 0);
    if (!choices.layers.empty() && choices.recomputed.back() >= layers) {
      lines_.refuse(lines_.begin(),
                    fmt::format("layer {} is to be recomputed, but there are only the layers 0 to "
                                "{}",
                                choices.recomputed.back(), layers - 1));
    }
  }

  void read_row(int rank) {
    lines_.next(fmt::format("rank {}: ", rank));
    TextWords words = lines_.words();
    std::vector<Cell>& row = saved_.schedule.rows.emplace_back();
    const std::size_t actions_before = actions_;
    std::optional<std::size_t> end_begins;
    while (!words.done()) {
      const std::size_t offset = words.offset();
      const std::string_view word = words.next();
      if (is_end_word(word)) {
        end_begins = end_begins.value_or(offset);
      } else if (end_begins) {
        lines_.refuse(offset,
                      "no action may follow TIED, NORM, SUMS, UPDATE and VALIDATE, which end the "
                      "step");
      } else {
        row.push_back(word == kIdle ? Cell() : read_cell(offset, word, rank));
      }
    }
    if (actions_ == actions_before) {
      lines_.refuse(lines_.begin(), "there is no action; each row is a rank and needs one");
    }
    note_end(rank, end_begins.value_or(lines_.end()));
  }

  Cell read_cell(std::size_t offset, std::string_view word, int rank) {
    if (word.empty()) {
      lines_.refuse(offset, "expected one space between words, and none at the end of a line");
    }
    Cell cell;
    try {
      cell = parse_cell(word);
    } catch (const DataError& error) {
      lines_.refuse(offset, error.what());
    }
    for (const Action& action : cell) {
      check_action(offset, action, rank);
      ++actions_;
    }
    return cell;
  }

  void check_action(std::size_t offset, const Action& action, int rank) const {
    const Schedule& schedule = saved_.schedule;
    if (action.stage >= schedule.stages()) {
      lines_.refuse(offset, fmt::format("{} is of no stage of the placement, which has 0 to {}",
                                        to_string(action), schedule.stages() - 1));
    }
    if (schedule.placement.rank_of(action.stage) != rank) {
      lines_.refuse(offset,
                    fmt::format("{} stands in the row of rank {}, but the placement has stage {} "
                                "on rank {}",
                                to_string(action), rank, action.stage,
                                schedule.placement.rank_of(action.stage)));
    }
    const auto here = schedule.placement.micro_batches_of(action.stage, schedule.micro_batches);
    if (has_micro_batch(action.kind) && !here.contains(action.micro_batch)) {
      lines_.refuse(offset, fmt::format("{} is of no micro-batch among {} to {}", to_string(action),
                                        here.begin, here.end - 1));
    }
  }

  // All rows end alike.
  void note_end(int rank, std::size_t begin) {
    const std::string_view end = text_.substr(begin, lines_.end() - begin);
    if (!end.empty() && end != kAfterStep && end != kInSchedule) {
      lines_.refuse(
          begin,
          fmt::format("the row ends with \"{:.60}\", but what can be run is \"{}\", or \"{}\" "
                      "with the optimizer in the schedule",
                      end, kAfterStep, kInSchedule));
    }
    if (rank > 0 && end != end_of_rows_) {
      lines_.refuse(begin,
                    fmt::format("the row ends with \"{}\", but that of rank 0 with \"{}\"; all "
                                "ranks do the same",
                                end, end_of_rows_));
    }
    if (rank == 0) {
      end_of_rows_ = end;
      end_begins_ = begin;
    }
  }

  void check_ends() {
    if (has_backward(saved_.schedule) == end_of_rows_.empty()) {
      lines_.refuse(
          end_begins_,
          end_of_rows_.empty()
              ? fmt::format("the schedule has backwards, so each row ends with \"{}\" or \"{}\"",
                            kAfterStep, kInSchedule)
              : fmt::format("the row ends with \"{}\", but there are no backwards, so there is "
                            "nothing to update with",
                            end_of_rows_));
    }
    saved_.choices.optimizer_in_schedule = end_of_rows_ == kInSchedule;
  }

  // Each stage runs each micro-batch. This also keeps a file with huge numbers from asking for huge
  // tables.
  void check_complete() const {
    const Schedule& schedule = saved_.schedule;
    const int stages = schedule.placement.parts();
    const std::int64_t forwards = std::int64_t{stages} * schedule.micro_batches;
    if (std::cmp_less(actions_, forwards)) {
      lines_.refuse(text_.size(),
                    fmt::format("the file has {} actions, but {} stages and {} micro-batches "
                                "need {} forwards",
                                actions_, stages, schedule.micro_batches, forwards));
    }
  }

  const std::string_view text_;
  TextLines lines_;
  SavedSchedule saved_;
  std::size_t actions_ = 0;
  std::string_view end_of_rows_;
  std::size_t end_begins_ = 0;  // in the row of rank 0
};

std::string text_of(const Placement& placement) {
  const std::string ranks = fmt::format("placement {}\n", fmt::join(ranks_of(placement), " "));
  return placement.copies() == 1 ? ranks : fmt::format("{}copies {}\n", ranks, placement.copies());
}

std::string text_of(const Choices& choices) {
  std::string text;
  if (!choices.layers.empty()) {
    text += fmt::format("layers {}\n", fmt::join(choices.layers, " "));
  }
  switch (choices.recompute) {
    case Choices::Recompute::unsaid:
      break;
    case Choices::Recompute::never:
      text += fmt::format("recompute {}\n", kNever);
      break;
    case Choices::Recompute::always:
      text += fmt::format("recompute {}\n", kAlways);
      break;
    case Choices::Recompute::listed:
      text += fmt::format("recompute {}\n", fmt::join(choices.recomputed, " "));
      break;
  }
  return text;
}

}  // namespace

bool is_text(std::string_view text) { return text.starts_with(kFormat); }

SavedSchedule read_text(std::string_view text) { return Reader(text).read(); }

std::string write_text(const SavedSchedule& saved) {
  const Schedule& schedule = saved.schedule;
  if (schedule.name.empty() || !std::ranges::all_of(schedule.name, is_printable)) {
    throw InvalidArgument(
        fmt::format("the schedule's name is \"{}\"; to be saved it has to be one or more printable "
                    "ASCII characters",
                    schedule.name));
  }
  std::string text =
      fmt::format("{}{}\nname {}\nmicro-batches {}\n{}{}", kFormat, kVersion, schedule.name,
                  schedule.micro_batches, text_of(schedule.placement), text_of(saved.choices));
  const std::string_view end = !has_backward(schedule)               ? ""
                               : saved.choices.optimizer_in_schedule ? kInSchedule
                                                                     : kAfterStep;
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    text += fmt::format("rank {}:", rank);
    for (const Cell& cell : schedule.rows[rank]) {
      text += ' ';
      text += cell.empty() ? kIdle : to_text(cell);
    }
    text += fmt::format("{}{}\n", end.empty() ? "" : " ", end);
  }
  return text;
}

std::string action_place(std::string_view text, RowPlace place) {
  const std::string row = fmt::format("\nrank {}: ", place.rank);
  std::size_t offset = std::min(text.find(row), text.size() - 1) + 1;
  std::string name = fmt::format("rank {}", place.rank);
  if (place.action > 0) {
    offset += row.size() - 1;
    for (std::size_t action = 1; action < place.action; ++action) {
      offset = text.find(' ', offset) + 1;
    }
    name += fmt::format(", action {}", place.action);
  }
  return fmt::format("{} ({})", name, text_place(text, offset));
}

}  // namespace lockflight::schedule
