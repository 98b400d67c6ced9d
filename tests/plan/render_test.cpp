#include "lockflight/plan/render.h"

#include <locale>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/rendered.h"

namespace lockflight::plan {
namespace {

using schedule::make_schedule;
using schedule::Schedule;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

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
