#include "schedule/cell_text.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {
namespace {

constexpr std::string_view kOverlapEnd = ")OVERLAP_F_B";

}  // namespace

Cell parse_cell(std::string_view text) {
  if (!text.starts_with('(')) {
    return {parse_action(text)};
  }
  if (!text.ends_with(kOverlapEnd)) {
    throw DataError(fmt::format("an overlapped pair does not end in \"{}\"", kOverlapEnd));
  }
  text.remove_prefix(1);
  text.remove_suffix(kOverlapEnd.size());
  Cell cell;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    cell.push_back(parse_action(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (cell.size() != 2 || cell[0].kind != ActionKind::forward ||
      cell[1].kind != ActionKind::backward) {
    throw DataError("an overlapped pair is not one F and one B");
  }
  return cell;
}

std::string to_text(const Cell& cell) {
  if (cell.empty()) {
    return {};
  }
  std::string text = to_string(cell.front());
  for (std::size_t i = 1; i < cell.size(); ++i) {
    text += fmt::format(";{}", to_string(cell[i]));
  }
  return cell.size() == 1 ? text : fmt::format("({}{}", text, kOverlapEnd);
}

}  // namespace lockflight::schedule
