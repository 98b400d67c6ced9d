#include "lockflight/plan/render.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <locale>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "plan/palette.h"
#include "plan/random_schedules.h"
#include "plan/svg_boxes.h"
#include "plan/xml_document.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;
using schedule::make_schedule;
using schedule::Schedule;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kRandomSchedules = 5;
constexpr int kManyMicroBatches = 64;
#else
constexpr unsigned kRandomSchedules = 60;
constexpr int kManyMicroBatches = 512;
#endif

// The smallest step that a picture's numbers can tell: two digits behind the point.
constexpr double kRounding = 0.0101;

struct Rendered {
  Schedule schedule;
  SimulatedStep step;
  std::string svg;
  XmlElement root;
};

Rendered render(Schedule schedule, const StepCosts& costs, const std::vector<TiedStages>& ties = {},
                const RenderOptions& options = {}, const LowerOptions& lowering = {}) {
  SimulatedStep step =
      simulate(lower(schedule, ties, lowering), costs, {.spans = true, .memory = true});
  std::string svg = render_svg(schedule, step, options);
  XmlElement root = parse_xml(svg);
  return {.schedule = std::move(schedule),
          .step = std::move(step),
          .svg = std::move(svg),
          .root = std::move(root)};
}

StepCosts even_costs(int stages, double transfer = 0) {
  return {.stages = std::vector<StageCosts>(stages), .link = {.latency = transfer}};
}

Rendered render_named(const std::string& name, schedule::PipelineSize size, double transfer = 0,
                      const RenderOptions& options = {}) {
  Schedule schedule = make_schedule(name, size);
  const int stages = schedule.stages();
  return render(std::move(schedule), even_costs(stages, transfer), {}, options);
}

// From time to pixels.
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

// A rank's line is the one path without an area in its group, as long as the makespan.
std::pair<Scale, std::vector<RankLine>> lines_of(const Rendered& rendered) {
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

std::size_t boxes_at(const std::vector<SvgBox>& boxes, double left, double right, double top,
                     double height, const std::string& fill) {
  return std::ranges::count_if(boxes, [&](const SvgBox& box) {
    return std::abs(box.left - left) < kRounding && std::abs(box.top - top) < kRounding &&
           std::abs(box.left + box.width - right) < 2 * kRounding &&
           std::abs(box.height - height) < kRounding && box.fill == fill;
  });
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

// Everything that a picture must be, whatever is in it.
void expect_sound(const Rendered& rendered) {
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
    EXPECT_THAT(rendered.svg, Not(HasSubstr(outside)));
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

TEST(RenderTest, ABoxLiesWhereItsActionRuns) {
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

TEST(RenderTest, ARecomputationIsAWhiteBoxWithTheDashedOutlineOfAForward) {
  StepCosts costs = even_costs(3, 1);
  for (StageCosts& stage : costs.stages) {
    stage.recompute = 0.75;
  }
  const auto schedule = make_schedule("1f1b", {.ranks = 3, .micro_batches = 4});
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

TEST(RenderTest, EveryScheduleIsDrawn) {
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

TEST(RenderTest, ANumberStandsInTheMiddleOfItsBox) {
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

TEST(RenderTest, LeavesOutNumbersWhereBoxesAreTooSmall) {
  const Rendered rendered = render_named("1f1b", {.ranks = 64, .micro_batches = kManyMicroBatches});
  expect_sound(rendered);
  const auto [scale, lines] = lines_of(rendered);
  for (const SvgText& text : svg_texts(rendered.root)) {
    const bool inside = std::ranges::any_of(lines, [&](const RankLine& line) {
      return text.x > scale.left && text.x < scale.left + scale.width && text.y > line.top &&
             text.y < line.top + line.height;
    });
    EXPECT_FALSE(inside && kManyMicroBatches > 64) << text.text;
  }
  // A box, a change of memory, and no more than that.
  EXPECT_LT(rendered.svg.size(), 64U * 2 * kManyMicroBatches * 55);
}

TEST(RenderTest, BothOfAnOverlappedPairShareABox) {
  const Rendered rendered = render(schedule::read_csv("0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n"
                                                      "1F0,(1F1;1B0)OVERLAP_F_B,1B1,1F2,1B2\n"),
                                   even_costs(2));
  expect_sound(rendered);
  expect_boxes_of_computes(rendered);
  EXPECT_EQ(svg_boxes(rendered.root).size(), 12U);
  const double height = lines_of(rendered).second[0].height;
  EXPECT_EQ(std::ranges::count(svg_boxes(rendered.root), height / 2, &SvgBox::height), 4);
}

TEST(RenderTest, StepsInARowHaveTheirOwnPairs) {
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

TEST(RenderTest, DrawsTransfersWhenTheyAreAskedFor) {
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
        EXPECT_TRUE(std::ranges::any_of(arrows, [&](const auto& arrow) {
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

TEST(RenderTest, CurvesRiseWithWhatIsKept) {
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

TEST(RenderTest, CurvesAreInBytesWhereTheStepHasAny) {
  StepCosts costs = even_costs(2);
  costs.stages[0].saved_bytes = 3 << 20;
  costs.stages[1].saved_bytes = 1 << 20;
  const Rendered rendered = render(make_schedule("gpipe", {.ranks = 2, .micro_batches = 4}), costs);
  std::vector<std::string> texts;
  for (const SvgText& text : svg_texts(rendered.root)) {
    texts.push_back(text.text);
  }
  EXPECT_THAT(texts, Contains("12.0 MiB"));
  EXPECT_THAT(texts, Contains("4.00 MiB"));
  EXPECT_THAT(rendered.root.children[1].text, HasSubstr("from rank 0 on: 12.0 MiB, 4.00 MiB."));
}

TEST(RenderTest, ShowsUpdatesAndSumsOfTiedGradients) {
  StepCosts costs = even_costs(2);
  costs.link = {.latency = 0, .bandwidth = 1};
  costs.tied_bytes = 2;
  costs.update = {3, 4};
  const Rendered rendered = render(make_schedule("1f1b", {.ranks = 2, .micro_batches = 2}), costs,
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

TEST(RenderTest, SaysWhatIsIdleInBothDefinitions) {
  const Rendered rendered = render_named("1f1b", {.ranks = 4, .micro_batches = 8});
  const std::string summary =
      "makespan 33; idle 27.3 % up to a common end (barrier), 15.8 % between each rank's first "
      "and last action (span)";
  EXPECT_THAT(rendered.root.children[1].text, HasSubstr(summary));
  EXPECT_THAT(rendered.root.children[1].text, HasSubstr("from rank 0 on: 4, 3, 2, 1."));
  EXPECT_EQ(svg_texts(rendered.root).back().text, summary);
  EXPECT_EQ(rendered.root.children[0].text, "1f1b: 4 ranks, 8 micro-batches");
}

TEST(RenderTest, KeepsNothingInMindWithoutABackward) {
  const Rendered rendered = render_named("forward-only", {.ranks = 2, .micro_batches = 2});
  EXPECT_THAT(rendered.svg, Not(HasSubstr("kept")));
  EXPECT_EQ(svg_boxes(rendered.root).size(), 4U);
}

TEST(RenderTest, GivesTimesAUnitWhereTheyAreSeconds) {
  for (const auto& [seconds, unit, end] :
       {std::tuple(3e-6, "µs", "30"), std::tuple(2e-3, "ms", "20"), std::tuple(4.0, "s", "40")}) {
    StepCosts costs;
    costs.stages = {{.times = {.forward = seconds, .input_gradient = seconds}}};
    costs.stages[0].times.weight_gradient = 8 * seconds;
    const Rendered rendered = render(make_schedule("1f1b", {}), costs, {}, {.seconds = true});
    std::vector<std::string> texts;
    for (const SvgText& text : svg_texts(rendered.root)) {
      texts.push_back(text.text);
    }
    EXPECT_THAT(texts, Contains(std::string("time, ") + unit));
    EXPECT_THAT(texts, Contains(end));
    EXPECT_THAT(texts.back(), HasSubstr("makespan " + std::string(end) + " " + unit));
  }
}

TEST(RenderTest, AnyNameIsText) {
  Schedule schedule = make_schedule("1f1b", {});
  schedule.name = "<a & \"b\">\x01";
  const Rendered rendered = render(std::move(schedule), even_costs(1), {}, {.note = "c < d"});
  EXPECT_EQ(rendered.root.children[0].text,
            "<a & \"b\">\xef\xbf\xbd: 1 rank, 1 micro-batch, c < d");
}

struct CommaAndDots : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(RenderTest, TheSameStepIsTheSamePictureInEveryLocale) {
  const schedule::PipelineSize size{.ranks = 5, .micro_batches = 9};
  const std::string picture = render_named("1f1b", size, 0.3, {.transfers = true}).svg;
  const std::locale before = std::locale::global(std::locale(std::locale(), new CommaAndDots));
  const std::string again = render_named("1f1b", size, 0.3, {.transfers = true}).svg;
  std::locale::global(before);
  EXPECT_EQ(again, picture);
}

}  // namespace
}  // namespace lockflight::plan
