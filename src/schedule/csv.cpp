#include "lockflight/schedule/csv.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/text_place.h"
#include "lockflight/core/error.h"
#include "lockflight/schedule/text.h"
#include "schedule/cell_text.h"

namespace lockflight::schedule {
namespace {

constexpr std::string_view kSpace = " \t";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) {
      return parts;
    }
    begin = end + 1;
  }
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos
             ? std::string_view{}
             : text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

struct Place {
  std::size_t row = 1;
  std::size_t cell = 0;  // 0: the whole row
};

[[noreturn]] void refuse(std::string_view text, Place place, std::string_view why) {
  throw DataError(
      fmt::format("schedule file, {}: {}", cell_place(text, place.row, place.cell), why));
}

std::vector<std::string_view> rows_of(std::string_view text) {
  const CsvStyle style = csv_style(text);
  if (style.ends_last_row && !text.empty()) {
    text.remove_suffix(1);
  }
  std::vector<std::string_view> rows = split(text, '\n');
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // The last row of a file whose last row has no end has no carriage return either.
    const bool expected = style.carriage_returns && (i + 1 < rows.size() || style.ends_last_row);
    if (rows[i].ends_with('\r') != expected) {
      refuse(text, {.row = i + 1},
             "rows end with and without a carriage return, expected one kind of line end");
    }
    rows[i].remove_suffix(expected ? 1 : 0);
  }
  return rows;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Schedule read(std::string name) {
    for (const std::string_view row : rows_of(text_)) {
      read_row(row);
    }
    check_complete();
    std::vector<int> rank_of_stage;
    for (const auto& [stage, place] : place_of_stage_) {
      rank_of_stage.push_back(static_cast<int>(place.row) - 1);
    }
    return {.name = std::move(name),
            .micro_batches = static_cast<int>(micro_batches_),
            .placement = placement(std::move(rank_of_stage)),
            .rows = std::move(rows_)};
  }

 private:
  void read_row(std::string_view row_text) {
    const std::size_t actions_before = actions_;
    std::vector<Cell>& row = rows_.emplace_back();
    now_ = {.row = rows_.size(), .cell = 0};
    for (const std::string_view cell_text : split(row_text, ',')) {
      ++now_.cell;
      try {
        const std::string_view trimmed_text = trimmed(cell_text);
        Cell& cell = row.emplace_back(trimmed_text.empty() ? Cell() : parse_cell(trimmed_text));
        std::ranges::for_each(cell, [&](const Action& action) { note(action); });
      } catch (const DataError& error) {
        refuse(text_, now_, error.what());
      }
    }
    if (actions_ == actions_before) {
      refuse(text_, {.row = now_.row}, "there is no action; each row is a rank and needs one");
    }
  }

  void note(const Action& action) {
    const auto [found, inserted] = place_of_stage_.try_emplace(action.stage, now_);
    if (found->second.row != now_.row) {
      throw DataError(fmt::format("stage {} stands in row {} already, and a stage lies on one rank",
                                  action.stage, found->second.row));
    }
    if (action.micro_batch >= micro_batches_) {
      micro_batches_ = std::int64_t{action.micro_batch} + 1;
      last_micro_batch_ = now_;
    }
    ++actions_;
  }

  // Each stage runs each micro-batch, or half of them in two-way placement. This also keeps a file
  // with huge numbers from asking for huge tables.
  void check_complete() const {
    int expected = 0;
    for (const auto& [stage, place] : place_of_stage_) {
      if (stage != expected) {
        refuse(text_, place,
               fmt::format("stage {} is there, but stage {} is in no row", stage, expected));
      }
      ++expected;
    }
    const auto forwards = static_cast<std::uint64_t>(expected) * micro_batches_;
    if (actions_ < (may_be_two_way() ? forwards / 2 : forwards)) {
      refuse(text_, last_micro_batch_,
             fmt::format("the file has {} actions, but {} stages and the {} micro-batches up to "
                         "this one need {} forwards",
                         actions_, expected, micro_batches_, forwards));
    }
  }

  // Two stages a row, as in V placement.
  bool may_be_two_way() const {
    const auto stages = place_of_stage_.size();
    return stages == 2 * rows_.size() && rows_.size() % 2 == 0 &&
           std::ranges::all_of(place_of_stage_, [&](const auto& stage) {
             const auto number = static_cast<std::size_t>(stage.first);
             return stage.second.row == 1 + std::min(number, stages - 1 - number);
           });
  }

  // Two ways if stages lie so and either copy has its half of the micro-batches: in one chain every
  // stage would have all of them.
  Placement placement(std::vector<int> rank_of_stage) const {
    Placement chain(std::move(rank_of_stage));
    if (!may_be_two_way() || micro_batches_ % 2 != 0) {
      return chain;
    }
    Placement two_way = Placement::two_way(chain.ranks());
    const auto micro_batches = static_cast<int>(micro_batches_);
    for (const std::vector<Cell>& row : rows_) {
      for (const Cell& cell : row) {
        for (const Action& action : cell) {
          if (has_micro_batch(action.kind) &&
              !two_way.micro_batches_of(action.stage, micro_batches).contains(action.micro_batch)) {
            return chain;
          }
        }
      }
    }
    return two_way;
  }

  const std::string_view text_;
  std::vector<std::vector<Cell>> rows_;
  Place now_;
  std::map<int, Place> place_of_stage_;  // where it comes first
  std::int64_t micro_batches_ = 0;
  Place last_micro_batch_;  // where the one with the highest number comes first
  std::size_t actions_ = 0;
};

}  // namespace

CsvStyle csv_style(std::string_view text) {
  const std::size_t end = text.find('\n');
  return {.carriage_returns = end != std::string_view::npos && end > 0 && text[end - 1] == '\r',
          .ends_last_row = text.ends_with('\n')};
}

Schedule read_csv(std::string_view text, std::string name) {
  return Reader(text).read(std::move(name));
}

std::string cell_place(std::string_view text, std::size_t row, std::size_t cell) {
  if (is_text(text)) {
    return action_place(text, {.rank = row - 1, .action = cell});
  }
  std::size_t offset = 0;
  for (std::size_t line = 1; line < row; ++line) {
    offset = text.find('\n', offset) + 1;
  }
  for (std::size_t comma = 1; comma < cell; ++comma) {
    offset = text.find(',', offset) + 1;
  }
  if (cell > 0) {
    offset = std::min(text.find_first_not_of(kSpace, offset), text.size());
  }
  return fmt::format("row {}{} ({})", row, cell == 0 ? "" : fmt::format(", cell {}", cell),
                     text_place(text, offset));
}

std::string write_csv(const Schedule& schedule, const CsvStyle& style) {
  const std::string_view line_end = style.carriage_returns ? "\r\n" : "\n";
  std::string text;
  for (std::size_t rank = 0; rank < schedule.rows.size(); ++rank) {
    text += rank == 0 ? "" : line_end;
    const std::vector<Cell>& row = schedule.rows[rank];
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ",", to_text(row[i]));
    }
  }
  return text + std::string(style.ends_last_row ? line_end : "");
}

}  // namespace lockflight::schedule
