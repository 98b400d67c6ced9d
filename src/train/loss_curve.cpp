#include "lockflight/train/loss_curve.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "core/svg.h"
#include "train/file.h"

namespace lockflight::train {
namespace {

constexpr double kWidth = 800;
constexpr double kHeight = 480;
constexpr double kLeft = 76;
constexpr double kRight = 24;
constexpr double kTop = 48;
constexpr double kBottom = 60;
constexpr int kColumns = static_cast<int>(kWidth - kLeft - kRight);
constexpr int kStepTicks = 8;
constexpr int kLossTicks = 7;
// Light and thin against dark and dashed with dots: two curves in greyscale too.
constexpr std::string_view kTrainingColour = "#5b9bd5";
constexpr std::string_view kValidationColour = "#8a2a0b";

std::vector<LossPoint> finite(const std::vector<LossPoint>& points) {
  std::vector<LossPoint> kept;
  std::ranges::copy_if(points, std::back_inserter(kept),
                       [](const LossPoint& point) { return std::isfinite(point.loss); });
  return kept;
}

// The values of one axis and where they lie in the picture.
class Axis {
 public:
  Axis(double low, double high, int ticks, double begin, double end)
      : ticks_(svg::round_ticks(low, high, ticks)), begin_(begin), end_(end) {}

  const std::vector<double>& ticks() const { return ticks_; }
  double at(double value) const {
    return begin_ + (value - ticks_.front()) / (ticks_.back() - ticks_.front()) * (end_ - begin_);
  }

 private:
  std::vector<double> ticks_;
  double begin_;
  double end_;
};

class Picture {
 public:
  explicit Picture(const LossCurve& curve)
      : curve_(curve),
        training_(finite(curve.training)),
        validation_(finite(curve.validation)),
        steps_(step_axis()),
        losses_(loss_axis()) {}

  std::string draw() {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        kWidth, kHeight);
    put(kWidth / 2, 26, "middle", curve_.title, R"( font-size="17" font-weight="bold")");
    draw_axes();
    draw_line(averaged(), kTrainingColour, R"( stroke-width="1.6")");
    draw_line(validation_, kValidationColour, R"( stroke-width="2" stroke-dasharray="7 4")");
    for (const LossPoint& point : validation_) {
      draw_dot(x(point), y(point));
    }
    draw_legend();
    return text_ + "</svg>\n";
  }

 private:
  double x(const LossPoint& point) const { return steps_.at(static_cast<double>(point.step)); }
  double y(const LossPoint& point) const { return losses_.at(point.loss); }

  Axis step_axis() const {
    double last = 1;
    for (const auto* points : {&training_, &validation_}) {
      for (const LossPoint& point : *points) {
        last = std::max(last, static_cast<double>(point.step));
      }
    }
    return {0, last, kStepTicks, kLeft, kWidth - kRight};
  }

  Axis loss_axis() const {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (const auto* points : {&training_, &validation_}) {
      for (const LossPoint& point : *points) {
        low = std::min(low, point.loss);
        high = std::max(high, point.loss);
      }
    }
    if (low > high) {  // no point at all
      low = 0;
      high = 1;
    }
    return {low, high, kLossTicks, kHeight - kBottom, kTop};
  }

  // One point for each column of the picture that has any.
  std::vector<LossPoint> averaged() const {
    if (training_.size() <= static_cast<std::size_t>(kColumns)) {
      return training_;
    }
    std::vector<LossPoint> columns;
    for (std::size_t begin = 0, end = 0; begin < training_.size(); begin = end) {
      double sum = 0;
      for (; end < training_.size() &&
             std::floor(x(training_[end])) == std::floor(x(training_[begin]));
           ++end) {
        sum += training_[end].loss;
      }
      columns.push_back({.step = training_[(begin + end) / 2].step,
                         .loss = sum / static_cast<double>(end - begin)});
    }
    return columns;
  }

  void put(double left, double top, std::string_view anchor, std::string_view text,
           std::string_view style = "") {
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", left,
                         top, anchor, style, svg::escaped(text));
  }

  void stroke(double x1, double y1, double x2, double y2, std::string_view colour) {
    text_ += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1,
        x2, y2, colour);
  }

  void draw_axes() {
    const double bottom = kHeight - kBottom;
    const double right = kWidth - kRight;
    for (const double tick : losses_.ticks()) {
      stroke(kLeft, losses_.at(tick), right, losses_.at(tick), "#ddd");
      put(kLeft - 8, losses_.at(tick) + 4, "end", fmt::format("{:.6g}", tick));
    }
    for (const double tick : steps_.ticks()) {
      stroke(steps_.at(tick), bottom, steps_.at(tick), bottom + 5, "#222");
      put(steps_.at(tick), bottom + 20, "middle", fmt::format("{:.9g}", tick));
    }
    stroke(kLeft, bottom, right, bottom, "#222");
    stroke(kLeft, kTop, kLeft, bottom, "#222");
    put((kLeft + right) / 2, kHeight - 16, "middle", "step");
    put(20, (kTop + bottom) / 2, "middle", "loss, " + curve_.unit,
        fmt::format(" transform=\"rotate(-90 20 {:.1f})\"", (kTop + bottom) / 2));
  }

  void draw_line(const std::vector<LossPoint>& points, std::string_view colour,
                 std::string_view style) {
    std::string places;
    for (const LossPoint& point : points) {
      places += fmt::format("{}{:.1f},{:.1f}", places.empty() ? "" : " ", x(point), y(point));
    }
    if (!places.empty()) {
      text_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{}/>\n", places,
                           colour, style);
    }
  }

  void draw_dot(double left, double top) {
    text_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", left, top,
                         kValidationColour);
  }

  void draw_legend() {
    double top = kTop + 16;
    const double left = kWidth - kRight - 200;
    const auto entry = [&](std::string_view name, const std::vector<LossPoint>& points,
                           std::string_view colour, std::string_view style) {
      if (points.empty()) {
        return false;
      }
      text_ += fmt::format(
          "<polyline points=\"{0:.1f},{1:.1f} {2:.1f},{1:.1f}\" fill=\"none\" "
          "stroke=\"{3}\"{4}/>\n",
          left, top - 4, left + 36, colour, style);
      put(left + 44, top, "start", fmt::format("{}, last {:.4f}", name, points.back().loss));
      top += 20;
      return true;
    };
    entry("training", training_, kTrainingColour, R"( stroke-width="1.6")");
    if (entry("validation", validation_, kValidationColour,
              R"( stroke-width="2" stroke-dasharray="7 4")")) {
      draw_dot(left + 18, top - 24);
    }
  }

  const LossCurve& curve_;
  std::vector<LossPoint> training_;
  std::vector<LossPoint> validation_;
  Axis steps_;
  Axis losses_;
  std::string text_;
};

}  // namespace

std::string draw_loss_curve(const LossCurve& curve) { return Picture(curve).draw(); }

void write_loss_curve(const std::filesystem::path& path, const LossCurve& curve) {
  replace_file(path, draw_loss_curve(curve));
}

}  // namespace lockflight::train
