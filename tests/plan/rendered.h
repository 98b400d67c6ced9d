// Pictures of simulated steps, read back.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/render.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/registry.h"
#include "plan/svg_boxes.h"
#include "plan/xml_document.h"

namespace lockflight::plan {

struct Rendered {
  schedule::Schedule schedule;
  SimulatedStep step;
  std::string svg;
  XmlElement root;
};

inline Rendered render(schedule::Schedule schedule, const StepCosts& costs,
                       const std::vector<TiedStages>& ties = {}, const RenderOptions& options = {},
                       const LowerOptions& lowering = {}) {
  SimulatedStep step =
      simulate(lower(schedule, ties, lowering), costs, {.spans = true, .memory = true});
  std::string svg = render_svg(schedule, step, options);
  XmlElement root = parse_xml(svg);
  return {.schedule = std::move(schedule),
          .step = std::move(step),
          .svg = std::move(svg),
          .root = std::move(root)};
}

inline StepCosts even_costs(int stages, double transfer = 0) {
  return {.stages = std::vector<StageCosts>(stages), .link = {.latency = transfer}};
}

inline Rendered render_named(const std::string& name, schedule::PipelineSize size,
                             double transfer = 0, const RenderOptions& options = {}) {
  schedule::Schedule schedule = schedule::make_schedule(name, size);
  const int stages = schedule.stages();
  return render(std::move(schedule), even_costs(stages, transfer), {}, options);
}

/// The smallest step that a picture's numbers can tell: two digits behind the point.
inline constexpr double kRounding = 0.0101;

/// From time to pixels.
struct Scale {
  double left = 0;
  double width = 0;
  double at(double time, const SimulatedStep& step) const {
    return left + time / step.makespan * width;
  }
};

struct RankLine {
  double top = 0;
  double height = 0;
};

/// A rank's line is the one path without an area in its group, as long as the makespan.
inline std::pair<Scale, std::vector<RankLine>> lines_of(const Rendered& rendered) {
  std::vector<PlacedElement> places;
  place_elements(rendered.root, {}, places);
  Scale scale;
  std::vector<RankLine> lines;
  for (const PlacedElement& place : places) {
    const std::string d = place.element->attribute("d");
    double left = 0;
    double height = 0;
    double width = 0;
    if (place.down > 0 && d.find('z') == std::string::npos &&
        std::sscanf(d.c_str(), "M%lf %lfh%lf", &left, &height, &width) == 3) {
      scale = {.left = left, .width = width};
      lines.push_back({.top = place.down, .height = height});
    }
  }
  EXPECT_EQ(lines.size(), rendered.step.ranks.size());
  return {scale, lines};
}

inline std::size_t boxes_at(const std::vector<SvgBox>& boxes, double left, double right, double top,
                            double height, const std::string& fill) {
  return std::ranges::count_if(boxes, [&](const SvgBox& box) {
    return std::abs(box.left - left) < kRounding && std::abs(box.top - top) < kRounding &&
           std::abs(box.left + box.width - right) < 2 * kRounding &&
           std::abs(box.height - height) < kRounding && box.fill == fill;
  });
}

/// Everything that a picture must be, whatever is in it.
inline void expect_sound(const Rendered& rendered) {
  const XmlElement& root = rendered.root;
  EXPECT_EQ(root.name, "svg");
  EXPECT_EQ(root.attribute("viewBox"),
            "0 0 " + root.attribute("width") + " " + root.attribute("height"));
  ASSERT_GE(root.children.size(), 2U);
  EXPECT_EQ(root.children[0].name, "title");
  EXPECT_EQ(root.children[1].name, "desc");
  EXPECT_EQ(root.attribute("role"), "img");
  EXPECT_EQ(root.attribute("aria-labelledby"), root.children[0].attribute("id"));
  EXPECT_EQ(root.attribute("aria-describedby"), root.children[1].attribute("id"));
  for (const char* outside : {"href", "<script", "<style", "url(", "<image", "<!"}) {
    EXPECT_THAT(rendered.svg, ::testing::Not(::testing::HasSubstr(outside)));
  }
  const double width = std::stod(root.attribute("width"));
  const double height = std::stod(root.attribute("height"));
  for (const SvgBox& box : svg_boxes(root)) {
    EXPECT_GE(box.left, 0);
    EXPECT_LE(box.left + box.width, width);
    EXPECT_LE(box.top + box.height, height);
  }
  for (const SvgText& text : svg_texts(root)) {
    EXPECT_LE(text.x, width);
    EXPECT_LE(text.y, height);
  }
}

}  // namespace lockflight::plan
