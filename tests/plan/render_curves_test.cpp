// What a picture shows over time beside boxes: transfers, and what ranks keep.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/rendered.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;

TEST(RenderCurvesTest, DrawsTransfersWhenTheyAreAskedFor) {
  const auto arrows_in = [](const Rendered& rendered) {
    std::vector<std::tuple<double, double, double, double>> arrows;
    for (const XmlElement* path : rendered.root.all("path")) {
      const std::string d = path->attribute("d");
      for (std::size_t begin = d.find('M'); begin != std::string::npos;
           begin = d.find('M', begin + 1)) {
        double x1 = 0;
        double y1 = 0;
        double x2 = 0;
        double y2 = 0;
        char next = 0;
        if (std::sscanf(d.c_str() + begin, "M%lf %lfL%lf %lf%c", &x1, &y1, &x2, &y2, &next) == 5 &&
            next == 'M') {
          arrows.emplace_back(x1, y1, x2, y2);
        }
      }
    }
    return arrows;
  };
  EXPECT_TRUE(arrows_in(render_named("1f1b", {.ranks = 3, .micro_batches = 4}, 0.5)).empty());
  for (const double transfer : {0.0, 0.5}) {
    const Rendered rendered =
        render_named("interleaved", {.ranks = 3, .micro_batches = 3, .stages_per_rank = 2},
                     transfer, {.transfers = true});
    const auto [scale, lines] = lines_of(rendered);
    const auto arrows = arrows_in(rendered);
    std::size_t transfers = 0;
    for (const SimulatedSpan& span : rendered.step.spans) {
      if (span.opcode == Opcode::send) {
        ++transfers;
        const bool down = span.peer > span.rank;
        const RankLine from = lines[span.rank];
        const RankLine to = lines[span.peer];
        const double y1 = from.top + (down ? from.height : 0);
        const double y2 = to.top + (down ? 0 : to.height);
        EXPECT_TRUE(std::ranges::any_of(arrows, [&, scale = scale](const auto& arrow) {
          return std::abs(std::get<0>(arrow) - scale.at(span.begin, rendered.step)) < kRounding &&
                 std::abs(std::get<1>(arrow) - y1) < kRounding &&
                 std::abs(std::get<2>(arrow) - scale.at(span.end, rendered.step)) < kRounding &&
                 std::abs(std::get<3>(arrow) - y2) < kRounding;
        })) << schedule::to_string(span.action);
      }
    }
    EXPECT_EQ(arrows.size(), transfers);
    EXPECT_EQ(transfers, 2U * 5 * 3);
  }
}

// The heights of a step curve "M x base H x V y H x V y … z" in time.
std::vector<double> heights_of(const std::string& path, const std::vector<double>& places) {
  double left = 0;
  double base = 0;
  int length = 0;
  EXPECT_EQ(std::sscanf(path.c_str(), "M%lf %lf%n", &left, &base, &length), 2);
  std::vector<double> heights(places.size(), 0);
  double x = 0;
  double y = 0;
  int more = 0;
  for (const char* rest = path.c_str() + length;
       std::sscanf(rest, "H%lfV%lf%n", &x, &y, &more) == 2; rest += more) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] >= x) {
        heights[i] = base - y;
      }
    }
  }
  return heights;
}

TEST(RenderCurvesTest, RiseWithWhatIsKept) {
  const Rendered rendered =
      render_named("interleaved", {.ranks = 3, .micro_batches = 6, .stages_per_rank = 2}, 0.25);
  const Scale scale = lines_of(rendered).first;
  std::vector<std::string> curves;
  for (const XmlElement* path : rendered.root.all("path")) {
    if (path->attribute("d").find('V') != std::string::npos && !path->attribute("fill").empty() &&
        path->attribute("fill") != "none") {
      curves.push_back(path->attribute("d"));
    }
  }
  ASSERT_EQ(curves.size(), 3U);
  std::vector<double> times;
  std::vector<double> places;
  for (int i = 0; i < 200; ++i) {
    times.push_back(rendered.step.makespan * (i + 0.37) / 200);
    places.push_back(scale.at(times.back(), rendered.step));
  }
  // In micro-batches in one of two stages: forwards begun less backwards ended.
  std::vector<std::vector<double>> kept(3, std::vector<double>(times.size(), 0));
  double most = 0;
  for (const SimulatedSpan& span : rendered.step.spans) {
    for (std::size_t i = 0; i < times.size() && span.opcode == Opcode::compute; ++i) {
      kept[span.rank][i] += span.action.kind == ActionKind::forward ? times[i] >= span.begin
                                                                    : -1.0 * (times[i] >= span.end);
      most = std::max(most, kept[span.rank][i]);
    }
  }
  double highest = 0;
  for (int rank = 0; rank < 3; ++rank) {
    highest = std::max(highest, std::ranges::max(heights_of(curves[rank], places)));
  }
  for (int rank = 0; rank < 3; ++rank) {
    const std::vector<double> heights = heights_of(curves[rank], places);
    for (std::size_t i = 0; i < times.size(); ++i) {
      EXPECT_NEAR(heights[i], kept[rank][i] / most * highest, kRounding)
          << "rank " << rank << " at " << times[i];
    }
  }
}

}  // namespace
}  // namespace lockflight::plan
