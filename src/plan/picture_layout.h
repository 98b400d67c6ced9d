// Where everything lies in the picture of a timetable, in pixels.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "lockflight/plan/simulate.h"
#include "plan/picture_boxes.h"

namespace lockflight::plan {

inline constexpr double kPictureMargin = 16;
inline constexpr double kTitleSize = 15;
inline constexpr double kTextSize = 11;

/// About; a digit has about this width in every font without serifs.
double text_width(std::string_view text, double size);

/// What is written in a box: the number of its micro-batch, if it has one.
std::string number_in(const PictureBox& box);

struct PictureLayout {
  double makespan = 0;
  double left = 0;          ///< of time 0
  double plot = 0;          ///< the width of the makespan
  double top = 0;           ///< of the first rank's line
  double row = 0;           ///< height of a rank's line
  double gap = 0;           ///< between two lines
  double strip = 0;         ///< height of a rank's memory
  double strip_gap = 0;     ///< between two of those
  double outline = 0;       ///< width of the white line around boxes
  double number_size = 0;   ///< of the font
  double number_width = 0;  ///< of the longest one

  double x(double time) const { return makespan > 0 ? left + time / makespan * plot : left; }
  double y(int rank) const { return top + rank * (row + gap); }
  double width(const PictureBox& box) const { return x(box.end) - x(box.begin); }
  double height(const PictureBox& box) const {
    return box.part == PictureBox::Part::whole ? row : row / 2;
  }
  /// Whether any number fits into the box.
  bool has_number(const PictureBox& box) const;
};

/// Boxes are 24 wide in the mean until the plot is 1600 wide, then smaller, but not below 3 until
/// it is 16000 wide; numbers are as large as fits all of them, but never illegible.
PictureLayout lay_out(const SimulatedStep& step, std::span<const PictureBox> boxes, bool arrows);

}  // namespace lockflight::plan
