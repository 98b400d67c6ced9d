// The course of the loss as a picture.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockflight::train {

struct LossPoint {
  std::int64_t step = 0;
  double loss = 0;
};

struct LossCurve {
  std::string title = "Loss";
  std::string unit = "nats per token";
  std::vector<LossPoint> training;    ///< steps ascending
  std::vector<LossPoint> validation;  ///< steps ascending
};

/// A self-contained SVG, 800 by 480: both curves with axes, ticks and a legend, told apart by
/// stroke and marks as well as by colour.  Points that are not finite are left out; a training
/// curve of more points than the picture has columns is averaged column by column.
std::string draw_loss_curve(const LossCurve& curve);

/// The same into a file, which appears whole or not at all.  Throws FileError.
void write_loss_curve(const std::filesystem::path& path, const LossCurve& curve);

}  // namespace lockflight::train
