// What a picture shows of the actions: boxes and their numbers.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/csv.h"
#include "plan/palette.h"
#include "plan/random_schedules.h"
#include "plan/rendered.h"
#include "sanitized.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;
using schedule::Schedule;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr unsigned kRandomSchedules = test::kSanitized ? 5 : 60;
constexpr int kManyMicroBatches = test::kSanitized ? 64 : 512;

std::string fill_of(const Schedule& schedule, const schedule::Action& action) {
  if (action.kind == ActionKind::recompute) {
    return "#fff";
  }
  std::size_t shades = 1;
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    shades = std::max(shades, schedule.placement.stages_of(rank).size());
  }
  const auto& stages = schedule.placement.stages_of(schedule.placement.rank_of(action.stage));
  const auto shade = std::ranges::find(stages, action.stage) - stages.begin();
  return to_string(colour_of(action.kind, static_cast<int>(shade), static_cast<int>(shades)));
}

// Where a compute's box is to be: as long as it runs, or half as high and as long as the pair.
struct Place {
  double begin = 0;
  double end = 0;
  double top = 0;  // from that of the line, in heights of the line
  double height = 1;
};

Place place_of(const Rendered& rendered, const SimulatedSpan& span) {
  Place place{.begin = span.begin, .end = span.end};
  for (const schedule::Cell& cell : rendered.schedule.rows[span.rank]) {
    if (cell.size() != 2 || std::ranges::find(cell, span.action) == cell.end()) {
      continue;
    }
    for (const SimulatedSpan& other : rendered.step.spans) {
      if (other.opcode == Opcode::compute && std::ranges::find(cell, other.action) != cell.end()) {
        place.begin = std::min(place.begin, other.begin);
        place.end = std::max(place.end, other.end);
      }
    }
    place.top = span.action.kind == ActionKind::forward ? 0 : 0.5;
    place.height = 0.5;
  }
  return place;
}

// Every compute has one box, and there are no others.
void expect_boxes_of_computes(const Rendered& rendered) {
  const auto [scale, lines] = lines_of(rendered);
  const std::vector<SvgBox> boxes = svg_boxes(rendered.root);
  std::size_t computes = 0;
  for (const SimulatedSpan& span : rendered.step.spans) {
    if (span.opcode == Opcode::compute) {
      ++computes;
      const Place place = place_of(rendered, span);
      const RankLine line = lines[span.rank];
      EXPECT_EQ(boxes_at(boxes, scale.at(place.begin, rendered.step),
                         scale.at(place.end, rendered.step), line.top + place.top * line.height,
                         place.height * line.height, fill_of(rendered.schedule, span.action)),
                1U)
          << schedule::to_string(span.action);
    }
  }
  EXPECT_EQ(boxes.size(), computes);
}

TEST(RenderBoxesTest, ABoxLiesWhereItsActionRuns) {
  for (unsigned seed = 0; seed < kRandomSchedules; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::uniform_int_distribution time(1, 9);
    Schedule schedule = random_schedule(random_placement(random), 1 + static_cast<int>(seed % 6),
                                        seed % 2 == 0, random);
    StepCosts costs{.link = {.latency = 0.5 * (seed % 3)}};
    for (int stage = 0; stage < schedule.stages(); ++stage) {
      costs.stages.push_back({.times = {.forward = time(random) * 0.37,
                                        .input_gradient = time(random) * 1.3,
                                        .weight_gradient = time(random) * 1.0}});
    }
    const Rendered rendered = render(std::move(schedule), costs, {}, {.transfers = seed % 2 == 1});
    expect_sound(rendered);
    expect_boxes_of_computes(rendered);
  }
}

TEST(RenderBoxesTest, ARecomputationIsAWhiteBoxWithTheDashedOutlineOfAForward) {
  StepCosts costs = even_costs(3, 1);
  for (StageCosts& stage : costs.stages) {
    stage.recompute = 0.75;
  }
  const auto schedule = schedule::make_schedule("1f1b", {.ranks = 3, .micro_batches = 4});
  const Rendered rendered = render(schedule, costs, {}, {}, {.recomputes = {true, true, true}});
  expect_sound(rendered);
  expect_boxes_of_computes(rendered);
  const std::string outline =
      " stroke=\"" + to_string(colour_of(ActionKind::forward, 0, 1)) + "\" stroke-dasharray";
  EXPECT_THAT(rendered.svg, HasSubstr("fill=\"#fff\"" + outline));
  EXPECT_THAT(rendered.svg, HasSubstr("R recomputation"));
  EXPECT_EQ(std::ranges::count_if(svg_boxes(rendered.root),
                                  [](const SvgBox& box) { return box.fill == "#fff"; }),
            2 * 4);  // two of the ranks wait for gradients
  EXPECT_THAT(render(schedule, costs).svg, Not(HasSubstr("R recomputation")));
}

TEST(RenderBoxesTest, EveryScheduleIsDrawn) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    SCOPED_TRACE(info.name);
    const Rendered rendered = render_named(
        std::string(info.name),
        {.ranks = 4, .micro_batches = 8, .stages_per_rank = info.several_stages ? 2 : 0});
    expect_sound(rendered);
    expect_boxes_of_computes(rendered);
    EXPECT_EQ(rendered.root.children[0].text.find(info.name), 0U);
  }
}

TEST(RenderBoxesTest, ANumberStandsInTheMiddleOfItsBox) {
  const Rendered rendered = render_named("1f1b", {.ranks = 3, .micro_batches = 12});
  const auto [scale, lines] = lines_of(rendered);
  const std::vector<SvgText> texts = svg_texts(rendered.root);
  for (const SimulatedSpan& span : rendered.step.spans) {
    if (span.opcode == Opcode::compute) {
      const double x = scale.at((span.begin + span.end) / 2, rendered.step);
      const RankLine line = lines[span.rank];
      EXPECT_TRUE(std::ranges::any_of(texts, [&](const SvgText& text) {
        return text.text == std::to_string(span.action.micro_batch) &&
               std::abs(text.x - x) < kRounding && text.y > line.top + line.height / 2 &&
               text.y < line.top + line.height && text.fill == "#ffffff";
      })) << schedule::to_string(span.action);
    }
  }
}

TEST(RenderBoxesTest, LeavesOutNumbersWhereBoxesAreTooSmall) {
  const Rendered rendered = render_named("1f1b", {.ranks = 64, .micro_batches = kManyMicroBatches});
  expect_sound(rendered);
  const auto [scale, lines] = lines_of(rendered);
  for (const SvgText& text : svg_texts(rendered.root)) {
    const bool inside = std::ranges::any_of(lines, [&, scale = scale](const RankLine& line) {
      return text.x > scale.left && text.x < scale.left + scale.width && text.y > line.top &&
             text.y < line.top + line.height;
    });
    EXPECT_FALSE(inside && kManyMicroBatches > 64) << text.text;
  }
  // A box, a change of memory, and no more than that.
  EXPECT_LT(rendered.svg.size(), 64U * 2 * kManyMicroBatches * 55);
}

TEST(RenderBoxesTest, BothOfAnOverlappedPairShareABox) {
  const Rendered rendered = render(schedule::read_csv("0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n"
                                                      "1F0,(1F1;1B0)OVERLAP_F_B,1B1,1F2,1B2\n"),
                                   even_costs(2));
  expect_sound(rendered);
  expect_boxes_of_computes(rendered);
  EXPECT_EQ(svg_boxes(rendered.root).size(), 12U);
  const double height = lines_of(rendered).second[0].height;
  EXPECT_EQ(std::ranges::count(svg_boxes(rendered.root), height / 2, &SvgBox::height), 4);
}

TEST(RenderBoxesTest, StepsInARowHaveTheirOwnPairs) {
  const Schedule schedule = schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n1F0,1B0,1F1,1B1\n");
  const Program program = lower(schedule, {});
  const SimulatedStep one = simulate(program, even_costs(2), {.spans = true, .memory = true});
  const SimulatedStep step =
      simulate(unroll(program, 3), even_costs(2), {.spans = true, .memory = true});
  const XmlElement root = parse_xml(render_svg(schedule, step));
  const std::vector<SvgBox> boxes = svg_boxes(root);
  EXPECT_EQ(boxes.size(), 3 * 8U);
  const double step_width = 620 / step.makespan * one.makespan;
  for (const SvgBox& box : boxes) {
    EXPECT_LT(box.width, step_width);
  }
}

TEST(RenderBoxesTest, ShowsUpdatesAndSumsOfTiedGradients) {
  StepCosts costs = even_costs(2);
  costs.link = {.latency = 0, .bandwidth = 1};
  costs.tied_bytes = 2;
  costs.update = {3, 4};
  const Rendered rendered =
      render(schedule::make_schedule("1f1b", {.ranks = 2, .micro_batches = 2}), costs,
             {{.first = 0, .second = 1}});
  expect_sound(rendered);
  const auto [scale, lines] = lines_of(rendered);
  const std::vector<SvgBox> boxes = svg_boxes(rendered.root);
  const double end = rendered.step.makespan;
  EXPECT_EQ(end, 9 + 2 + 4);
  for (int rank = 0; rank < 2; ++rank) {
    const RankLine line = lines[rank];
    EXPECT_EQ(boxes_at(boxes, scale.at(9, rendered.step), scale.at(11, rendered.step), line.top,
                       line.height, "#fff"),
              1U);
    EXPECT_EQ(boxes_at(boxes, scale.at(11, rendered.step), scale.at(14 + rank, rendered.step),
                       line.top, line.height, "#000000"),
              1U);
  }
  EXPECT_THAT(rendered.svg, HasSubstr(">update<"));
  EXPECT_THAT(rendered.svg, HasSubstr(">tied sum<"));
}

}  // namespace
}  // namespace lockflight::plan
