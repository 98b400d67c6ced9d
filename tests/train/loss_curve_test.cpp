#include "lockflight/train/loss_curve.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

using testing::HasSubstr;
using testing::Not;

LossCurve falling_curve(int steps) {
  LossCurve curve;
  Random random({.seed = 1});
  for (int step = 0; step < steps; ++step) {
    const double loss = 2.0 + 3.5 * std::exp(-6.0 * step / steps);
    curve.training.push_back({step, loss + 0.1 * random.next_normal()});
    if (step % (steps / 10) == 0) {
      curve.validation.push_back({step, loss + 0.1});
    }
  }
  return curve;
}

// The points of the n-th polyline.  No std::regex: it recurses once a character, and a long curve
// is too deep for the stack that sanitizers leave.
std::vector<std::pair<double, double>> polyline(const std::string& svg, int number) {
  const std::string opening = "<polyline points=\"";
  std::size_t begin = svg.find(opening);
  for (int i = 0; i < number && begin != std::string::npos; ++i) {
    begin = svg.find(opening, begin + 1);
  }
  std::vector<std::pair<double, double>> points;
  if (begin == std::string::npos) {
    ADD_FAILURE() << "there is no polyline " << number;
    return points;
  }
  begin += opening.size();
  std::istringstream text(svg.substr(begin, svg.find('"', begin) - begin));
  double x = 0;
  double y = 0;
  char comma = 0;
  while (text >> x >> comma >> y) {
    points.emplace_back(x, y);
  }
  return points;
}

TEST(LossCurveTest, APointLiesWhereItsStepAndLossAre) {
  LossCurve curve;
  curve.training = {{0, 5}, {50, 0}, {100, 2.5}};
  const auto points = polyline(draw_loss_curve(curve), 0);
  ASSERT_EQ(points.size(), 3U);
  // Ticks 0 … 100 and 0 … 5 end at the axes.
  EXPECT_EQ(points[0], (std::pair<double, double>{76, 48}));
  EXPECT_EQ(points[1], (std::pair<double, double>{426, 420}));
  EXPECT_EQ(points[2], (std::pair<double, double>{776, 234}));
}

TEST(LossCurveTest, HasBothCurvesTheirLegendAndNothingFromOutside) {
  const std::string svg = draw_loss_curve(falling_curve(500));
  EXPECT_THAT(svg, testing::StartsWith("<svg xmlns"));
  EXPECT_THAT(svg, HasSubstr("training, last "));
  EXPECT_THAT(svg, HasSubstr("validation, last "));
  EXPECT_THAT(svg, HasSubstr("loss, nats per token"));
  EXPECT_THAT(svg, Not(HasSubstr("href")));
  EXPECT_EQ(polyline(svg, 0).size(), 500U);
  EXPECT_EQ(polyline(svg, 1).size(), 10U);
}

TEST(LossCurveTest, ALongCurveIsAveragedByColumns) {
  LossCurve curve;
  for (int step = 0; step < 100000; ++step) {
    curve.training.push_back({step, step % 2 == 0 ? 1.0 : 3.0});
  }
  const auto points = polyline(draw_loss_curve(curve), 0);
  EXPECT_LE(points.size(), 701U);
  EXPECT_GE(points.size(), 690U);
  for (const auto& point : points) {
    EXPECT_NEAR(point.second, (48 + 420) / 2.0, 2);
  }
}

TEST(LossCurveTest, LeavesOutWhatIsNotFiniteAndDrawsEmptyCurves) {
  LossCurve curve;
  EXPECT_THAT(draw_loss_curve(curve), HasSubstr("</svg>"));
  curve.training = {{0, 1},
                    {1, std::numeric_limits<double>::quiet_NaN()},
                    {2, std::numeric_limits<double>::infinity()},
                    {3, 2}};
  const std::string svg = draw_loss_curve(curve);
  EXPECT_EQ(polyline(svg, 0).size(), 2U);
  EXPECT_THAT(svg, Not(HasSubstr("nan,")));
  EXPECT_THAT(svg, Not(HasSubstr("validation")));
}

TEST(LossCurveTest, WritesTitlesAsText) {
  LossCurve curve;
  curve.title = "a < b & c";
  EXPECT_THAT(draw_loss_curve(curve), HasSubstr(">a &lt; b &amp; c<"));
}

TEST(LossCurveTest, WritesTheFileWholeOrNotAtAll) {
  const ScratchFolder folder;
  write_loss_curve(folder / "loss.svg", falling_curve(100));
  EXPECT_EQ(read_file(folder / "loss.svg"), draw_loss_curve(falling_curve(100)));
  EXPECT_THAT(error_text<FileError>([] { write_loss_curve("/nowhere/a.svg", {}); }),
              HasSubstr("No such file"));
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THROW(write_loss_curve(folder / "taken", {}), FileError);
  EXPECT_FALSE(std::filesystem::exists(folder / "taken.partial"));
}

}  // namespace
}  // namespace lockflight::train
