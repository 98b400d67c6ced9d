#include "plan/picture_boxes.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>

namespace lockflight::plan {
namespace {

using schedule::Action;
using schedule::ActionKind;
using Key = std::tuple<int, int, ActionKind>;

Key key_of(const Action& action) { return {action.stage, action.micro_batch, action.kind}; }

// Every action that shares a cell with another one, and that other one.
std::map<Key, Key> pairs_of(const schedule::Schedule& schedule) {
  std::map<Key, Key> pairs;
  for (const std::vector<schedule::Cell>& row : schedule.rows) {
    for (const schedule::Cell& cell : row) {
      if (cell.size() == 2 && std::ranges::all_of(cell, schedule::is_compute, &Action::kind)) {
        pairs[key_of(cell[0])] = key_of(cell[1]);
        pairs[key_of(cell[1])] = key_of(cell[0]);
      }
    }
  }
  return pairs;
}

// By stage: the how manieth of its rank it is.
std::vector<int> shades_of(const schedule::Placement& placement) {
  std::vector<int> shades(placement.stages());
  for (int rank = 0; rank < placement.ranks(); ++rank) {
    int shade = 0;
    for (const int stage : placement.stages_of(rank)) {
      shades[stage] = shade++;
    }
  }
  return shades;
}

// Gives each box of a pair the times of both.
void join(std::vector<PictureBox>& boxes, const std::map<Key, Key>& pairs) {
  std::map<Key, std::size_t> places;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    if (boxes[i].opcode != Opcode::compute) {
      continue;
    }
    const auto pair = pairs.find(key_of(boxes[i].action));
    if (pair == pairs.end()) {
      continue;
    }
    const auto other = places.find(pair->second);
    if (other == places.end()) {
      places[pair->first] = i;
      continue;
    }
    PictureBox& a = boxes[other->second];
    PictureBox& b = boxes[i];
    a.begin = b.begin = std::min(a.begin, b.begin);
    a.end = b.end = std::max(a.end, b.end);
    for (PictureBox* const box : {&a, &b}) {
      box->part = box->action.kind == ActionKind::forward ? PictureBox::Part::upper
                                                          : PictureBox::Part::lower;
    }
    places.erase(other);  // another step has the same pair
  }
}

}  // namespace

std::vector<PictureBox> picture_boxes(const schedule::Schedule& schedule,
                                      const SimulatedStep& step) {
  const std::vector<int> shades = shades_of(schedule.placement);
  std::vector<PictureBox> boxes;
  for (const SimulatedSpan& span : step.spans) {
    const bool shown = span.opcode == Opcode::compute || span.opcode == Opcode::update ||
                       span.opcode == Opcode::reduce_tied;
    if (shown && span.end > span.begin) {
      boxes.push_back({.rank = span.rank,
                       .begin = span.begin,
                       .end = span.end,
                       .opcode = span.opcode,
                       .action = span.action});
      if (span.opcode == Opcode::compute) {
        boxes.back().shade = shades[span.action.stage];
      }
    }
  }
  std::ranges::stable_sort(
      boxes, {}, [](const PictureBox& box) { return std::tuple(box.rank, box.begin, box.end); });
  if (const auto pairs = pairs_of(schedule); !pairs.empty()) {
    join(boxes, pairs);
  }
  return boxes;
}

std::vector<PictureArrow> picture_arrows(const SimulatedStep& step) {
  std::vector<PictureArrow> arrows;
  for (const SimulatedSpan& span : step.spans) {
    if (span.opcode == Opcode::send) {
      arrows.push_back({.from = span.rank,
                        .to = span.peer,
                        .begin = span.begin,
                        .end = span.end,
                        .gradient = span.action.kind == ActionKind::send_backward});
    }
  }
  std::ranges::stable_sort(
      arrows, {}, [](const PictureArrow& arrow) { return std::pair(arrow.from, arrow.begin); });
  return arrows;
}

}  // namespace lockflight::plan
