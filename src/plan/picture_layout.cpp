#include "plan/picture_layout.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

namespace lockflight::plan {
namespace {

constexpr double kDigit = 0.6;
constexpr double kSmallestNumber = 6;

// How many boxes the makespan would have room for, by the rank with most.
double boxes_of_makespan(const SimulatedStep& step, std::span<const PictureBox> boxes) {
  std::vector<int> counts(step.ranks.size());
  for (const PictureBox& box : boxes) {
    ++counts[box.rank];
  }
  double most = 1;
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    const double busy = std::max(step.ranks[rank].busy, step.makespan * 1e-3);
    most = std::max(most, busy > 0 ? counts[rank] * step.makespan / busy : 0);
  }
  return most;
}

struct NumberFit {
  double size = 0;     // of a font
  double longest = 0;  // width of the longest number, in sizes of its font
};

// The largest font with which every number fits into nine tenths of the boxes.
NumberFit fitting_number(const PictureLayout& layout, std::span<const PictureBox> boxes) {
  NumberFit fit;
  std::vector<double> widths;
  for (const PictureBox& box : boxes) {
    if (box.opcode == Opcode::compute) {
      fit.longest = std::max(fit.longest, text_width(number_in(box), 1));
      widths.push_back(layout.width(box));
    }
  }
  if (!widths.empty()) {
    const auto tenth = widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 10);
    std::ranges::nth_element(widths, tenth);
    fit.size = (*tenth - 2 * layout.outline - 1) / fit.longest;
  }
  return fit;
}

}  // namespace

double text_width(std::string_view text, double size) {
  return kDigit * size * static_cast<double>(text.size());
}

std::string number_in(const PictureBox& box) {
  return box.opcode == Opcode::compute ? std::to_string(box.action.micro_batch) : "";
}

bool PictureLayout::has_number(const PictureBox& box) const {
  return box.opcode == Opcode::compute && number_size <= height(box) &&
         number_width <= width(box) - 2 * outline;
}

PictureLayout lay_out(const SimulatedStep& step, std::span<const PictureBox> boxes, bool arrows) {
  const auto ranks = static_cast<double>(step.ranks.size());
  const bool pairs = std::ranges::any_of(
      boxes, [](const PictureBox& box) { return box.part != PictureBox::Part::whole; });
  const double most = boxes_of_makespan(step, boxes);
  PictureLayout layout{.makespan = step.makespan};
  layout.plot =
      std::round(std::min(std::max(std::clamp(24 * most, 620.0, 1600.0), 3 * most), 16000.0));
  layout.row = std::round(std::clamp(640.0 / std::max(ranks, 1.0), 3.0, pairs ? 30.0 : 22.0));
  layout.gap = arrows             ? std::ceil(layout.row * 0.6)
               : layout.row >= 16 ? 4
               : layout.row >= 8  ? 1
                                  : 0;
  layout.strip = std::min(layout.row, 22.0);
  layout.strip_gap = layout.strip >= 16 ? 4 : 2;
  layout.left =
      kPictureMargin + text_width(fmt::format("rank {}", step.ranks.size()), kTextSize) + 4;
  layout.top = kPictureMargin + kTitleSize + 38;
  layout.outline = std::min(0.04 * layout.plot / most, 0.8);
  layout.number_size = std::min((pairs ? 0.5 : 1) * layout.row * 0.75, kTextSize);
  const auto [fitting, longest] = fitting_number(layout, boxes);
  layout.number_size = std::max(std::min(layout.number_size, fitting), kSmallestNumber);
  layout.number_width = longest * layout.number_size;
  return layout;
}

}  // namespace lockflight::plan
