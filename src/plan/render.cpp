#include "lockflight/plan/render.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/svg.h"
#include "lockflight/plan/memory.h"
#include "plan/palette.h"
#include "plan/picture_boxes.h"
#include "plan/picture_layout.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;
using svg::number;

constexpr double kTick = 80;    // between two ticks of the time axis, about
constexpr double kHead = 3.5;   // of an arrow
constexpr int kMostShades = 4;  // in the legend
constexpr std::string_view kInk = "#222";
constexpr std::string_view kFaint = "#bbb";
constexpr std::string_view kKept = "#a9b8c6";
constexpr std::string_view kLasting = "#71879c";

constexpr std::array<std::pair<ActionKind, std::string_view>, 4> kKinds = {
    {{ActionKind::forward, "F forward"},
     {ActionKind::input_gradient, "I input gradient"},
     {ActionKind::weight_gradient, "W weight gradient"},
     {ActionKind::backward, "B backward"}}};

struct Unit {
  double factor = 1;
  std::string_view name;
};

Unit unit_of(double seconds) {
  return seconds >= 10 ? Unit{1, "s"} : seconds >= 1e-2 ? Unit{1e3, "ms"} : Unit{1e6, "µs"};
}

// Every how manieth line can have a label.
int labelled(double line) { return static_cast<int>(std::ceil((kTextSize + 1) / line)); }

// The baseline of text in the middle of a line.
double middle(double top, double height) { return top + height / 2 + 0.36 * kTextSize; }

std::string text(double left, double top, std::string_view what, std::string_view style = "") {
  return fmt::format("<text x=\"{}\" y=\"{}\"{}>{}</text>\n", number(left), number(top), style,
                     svg::escaped(what));
}

class Picture {
 public:
  Picture(const schedule::Schedule& schedule, const SimulatedStep& step,
          const RenderOptions& options)
      : schedule_(schedule),
        step_(step),
        options_(options),
        boxes_(picture_boxes(schedule, step)),
        layout_(lay_out(step, boxes_, options.transfers)),
        unit_(options.seconds ? unit_of(step.makespan) : Unit{}),
        ranks_(static_cast<int>(step.ranks.size())),
        bytes_(std::ranges::any_of(step.ranks,
                                   [](const SimulatedRank& rank) { return rank.peak_bytes > 0; })) {
    for (int rank = 0; rank < ranks_; ++rank) {
      shades_ = std::max(shades_, static_cast<int>(schedule.placement.stages_of(rank).size()));
      largest_ = std::max(largest_, peak(rank));
    }
  }

  std::string draw() {
    draw_legend();
    draw_rows();
    draw_axis();
    if (options_.transfers) {
      draw_arrows();
    }
    if (largest_ > 0) {
      draw_memory();
    }
    const std::string grid = draw_grid();
    bottom_ += 22;
    body_ += text(layout_.left, bottom_, summary());
    if (shades_ > 1) {
      bottom_ += 15;
      body_ += text(layout_.left, bottom_, "darkest: the first stage of a rank");
    }
    return opening() + grid + body_ + "</svg>\n";
  }

 private:
  double peak(int rank) const {
    return bytes_ ? static_cast<double>(step_.ranks[rank].peak_bytes)
                  : step_.ranks[rank].peak_activations;
  }
  double right() const { return layout_.left + layout_.plot; }

  std::string title() const {
    const int stages = schedule_.stages();
    return fmt::format(
        "{}: {} rank{}, {}{} micro-batch{}{}{}", schedule_.name, ranks_, ranks_ == 1 ? "" : "s",
        stages == ranks_ ? "" : fmt::format("{} stages, ", stages), schedule_.micro_batches,
        schedule_.micro_batches == 1 ? "" : "es", options_.note.empty() ? "" : ", ", options_.note);
  }

  std::string summary() const {
    const std::string makespan =
        options_.seconds ? fmt::format("{:.4g} {}", step_.makespan * unit_.factor, unit_.name)
                         : fmt::format("{:.6g}", step_.makespan);
    return fmt::format(
        "makespan {}; idle {:.1f} % up to a common end (barrier), {:.1f} % between each rank's "
        "first and last action (span)",
        makespan, 100 * step_.idle_barrier(), 100 * step_.idle_span());
  }

  std::string amount(double kept) const {
    return bytes_ ? bytes_text(static_cast<std::size_t>(kept)) : fmt::format("{:.4g}", kept);
  }

  std::string description() const {
    std::string words =
        fmt::format("A timetable with a line for every rank, {} in all; {}.", ranks_, summary());
    if (largest_ > 0) {
      words += bytes_ ? " Memory of the ranks at its peak, from rank 0 on:"
                      : " Micro-batches whose activations the ranks keep at their peak, from rank "
                        "0 on:";
      for (int rank = 0; rank < ranks_; ++rank) {
        words += (rank == 0 ? " " : ", ") + amount(peak(rank));
      }
      words += ".";
    }
    return words;
  }

  std::string opening() const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"title\" "
        "aria-describedby=\"description\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"{2}\" fill=\"{3}\">\n"
        "<title id=\"title\">{4}</title>\n<desc id=\"description\">{5}</desc>\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        number(right() + text_width("999 KiB", kTextSize) + kPictureMargin),
        number(bottom_ + kPictureMargin), number(kTextSize), kInk, svg::escaped(title()),
        svg::escaped(description()));
  }

  // The title, and a box for every kind there is, in the shades of a rank's stages.
  void draw_legend() {
    body_ += text(kPictureMargin, kPictureMargin + kTitleSize, title(),
                  fmt::format(" font-size=\"{}\" font-weight=\"bold\"", number(kTitleSize)));
    double left = layout_.left;
    const double top = kPictureMargin + kTitleSize + 11;
    const auto write = [&](std::string_view name) {
      body_ += text(left, top + 10, name);
      left += 0.9 * text_width(name, kTextSize) + 14;
    };
    const auto swatch = [&](const std::string& fill, std::string_view stroke = "") {
      body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"12\" fill=\"{}\"{}/>\n",
                           number(left), number(top), fill, stroke);
      left += 14;
    };
    std::set<std::pair<Opcode, ActionKind>> shown;
    for (const PictureBox& box : boxes_) {
      shown.emplace(box.opcode,
                    box.opcode == Opcode::compute ? box.action.kind : ActionKind::forward);
    }
    for (const auto& [kind, name] : kKinds) {
      if (shown.contains({Opcode::compute, kind})) {
        const int shades = std::min(shades_, kMostShades);
        for (int i = 0; i < shades; ++i) {
          swatch(to_string(colour_of(kind, i, shades)));
        }
        left += 5;
        write(name);
      }
    }
    if (shown.contains({Opcode::compute, ActionKind::recompute})) {
      swatch("#fff", again_stroke());
      left += 5;
      write("R recomputation");
    }
    if (shown.contains({Opcode::reduce_tied, ActionKind::forward})) {
      swatch("#fff", " stroke=\"#222\"");
      left += 5;
      write("tied sum");
    }
    if (shown.contains({Opcode::update, ActionKind::forward})) {
      swatch(to_string(kBlack));
      left += 5;
      write("update");
    }
  }

  // A recomputation is a forward once more: in outline, dashed.
  static std::string again_stroke() {
    return fmt::format(" stroke=\"{}\" stroke-dasharray=\"2 1\"",
                       to_string(colour_of(ActionKind::forward, 0, 1)));
  }

  // Boxes of one colour in a rank's line are one path, for the file's size.
  struct Row {
    std::map<Colour, std::string> paths;
    std::map<Colour, std::string> numbers;
    std::string again;  // recomputations
    std::string tied;
  };

  void draw_rows() {
    std::vector<Row> rows(ranks_);
    for (const PictureBox& box : boxes_) {
      add(box, rows[box.rank]);
    }
    body_ += fmt::format("<g text-anchor=\"middle\" font-size=\"{}\" stroke-width=\"{}\">\n",
                         number(layout_.number_size), number(layout_.outline));
    const double baseline = layout_.row / 2 + 0.36 * layout_.number_size;
    for (int rank = 0; rank < ranks_; ++rank) {
      body_ +=
          fmt::format("<g transform=\"translate(0 {})\"><path stroke=\"{}\" d=\"M{} {}h{}\"/>\n",
                      number(layout_.y(rank)), kFaint, number(layout_.left), number(layout_.row),
                      number(layout_.plot));
      for (const auto& [fill, path] : rows[rank].paths) {
        body_ +=
            fmt::format("<path fill=\"{}\" stroke=\"#fff\" d=\"{}\"/>\n", to_string(fill), path);
      }
      if (!rows[rank].again.empty()) {
        body_ +=
            fmt::format("<path fill=\"#fff\"{} d=\"{}\"/>\n", again_stroke(), rows[rank].again);
      }
      if (!rows[rank].tied.empty()) {
        body_ += fmt::format("<path fill=\"#fff\" stroke=\"#222\" d=\"{}\"/>\n", rows[rank].tied);
      }
      for (const auto& [fill, numbers] : rows[rank].numbers) {
        body_ += fmt::format("<g transform=\"translate(0 {})\" fill=\"{}\">{}</g>\n",
                             number(baseline), to_string(fill), numbers);
      }
      body_ += "</g>\n";
    }
    body_ += "</g>\n" + labels(layout_.top, layout_.row, layout_.gap);
  }

  void add(const PictureBox& box, Row& row) const {
    const double height = layout_.height(box);
    const double top = box.part == PictureBox::Part::lower ? height : 0;
    const std::string path = fmt::format("M{0} {1}h{2}v{3}h-{2}z", number(layout_.x(box.begin)),
                                         number(top), number(layout_.width(box)), number(height));
    if (box.opcode == Opcode::reduce_tied) {
      row.tied += path;
      return;
    }
    const bool again = box.opcode == Opcode::compute && box.action.kind == ActionKind::recompute;
    const Colour fill = again ? kWhite
                        : box.opcode == Opcode::compute
                            ? colour_of(box.action.kind, box.shade, shades_)
                            : kBlack;
    (again ? row.again : row.paths[fill]) += path;
    if (layout_.has_number(box)) {
      const double lift = top + height / 2 - layout_.row / 2;
      row.numbers[writing_on(fill)] += fmt::format(
          "<text x=\"{}\"{}>{}</text>", number((layout_.x(box.begin) + layout_.x(box.end)) / 2),
          lift == 0 ? "" : fmt::format(" y=\"{}\"", number(lift)), number_in(box));
    }
  }

  // "rank 0" and so on in front of lines.
  std::string labels(double top, double height, double gap) const {
    std::string texts = "<g text-anchor=\"end\">";
    for (int rank = 0; rank < ranks_; rank += labelled(height + gap)) {
      texts += fmt::format("<text x=\"{}\" y=\"{}\">rank {}</text>", number(layout_.left - 6),
                           number(middle(top + rank * (height + gap), height)), rank);
    }
    return texts + "</g>\n";
  }

  std::vector<double> ticks() const {
    const double end = step_.makespan * unit_.factor;
    std::vector<double> ticks =
        svg::round_ticks(0, end, std::max(2, static_cast<int>(layout_.plot / kTick)));
    std::erase_if(ticks, [end](double tick) { return tick > end * (1 + 1e-9); });
    return ticks;
  }

  void draw_axis() {
    const double top = layout_.y(ranks_) - layout_.gap + 6;
    std::string path =
        fmt::format("M{} {}h{}", number(layout_.left), number(top), number(layout_.plot));
    std::string numbers;
    for (const double tick : ticks()) {
      const std::string left = number(layout_.x(tick / unit_.factor));
      path += fmt::format("M{} {}v4", left, number(top));
      numbers += fmt::format("<text x=\"{}\" y=\"{}\">{:.9g}</text>", left, number(top + 16), tick);
    }
    body_ += fmt::format("<path fill=\"none\" stroke=\"{}\" d=\"{}\"/>\n", kInk, path);
    body_ += fmt::format("<g text-anchor=\"middle\">{}</g>\n", numbers);
    body_ +=
        text(right() + 8, top + 4, options_.seconds ? fmt::format("time, {}", unit_.name) : "time");
    body_ += fmt::format(  // the common end
        "<path fill=\"none\" stroke=\"{}\" stroke-dasharray=\"3 3\" d=\"M{} {}V{}\"/>\n", kInk,
        number(right()), number(layout_.top - 4), number(top));
    bottom_ = top + 18;
  }

  // Lines at the ticks, through lines and strips, beneath them.
  std::string draw_grid() const {
    std::string path;
    for (const double tick : ticks()) {
      path += fmt::format("M{} {}V{}", number(layout_.x(tick / unit_.factor)), number(layout_.top),
                          number(bottom_));
    }
    return fmt::format("<path fill=\"none\" stroke=\"#e6e6e6\" d=\"{}\"/>\n", path);
  }

  void draw_arrows() {
    std::string activations;
    std::string gradients;
    const double head = std::min(kHead, layout_.row / 3);
    for (const PictureArrow& arrow : picture_arrows(step_)) {
      const bool down = arrow.to > arrow.from;
      const double x1 = layout_.x(arrow.begin);
      const double x2 = layout_.x(arrow.end);
      const double y1 = layout_.y(arrow.from) + (down ? layout_.row : 0);
      const double y2 = layout_.y(arrow.to) + (down ? 0 : layout_.row);
      const double length = std::hypot(x2 - x1, y2 - y1);
      const double ux = (x2 - x1) / length * head;
      const double uy = (y2 - y1) / length * head;
      (arrow.gradient ? gradients : activations) +=
          fmt::format("M{} {}L{} {}M{} {}L{} {}L{} {}", number(x1), number(y1), number(x2),
                      number(y2), number(x2 - ux - uy / 2), number(y2 - uy + ux / 2), number(x2),
                      number(y2), number(x2 - ux + uy / 2), number(y2 - uy - ux / 2));
    }
    body_ += fmt::format(
        "<g fill=\"none\" stroke=\"#444\" stroke-width=\"0.8\">\n<path d=\"{}\"/>\n"
        "<path stroke-dasharray=\"3 2\" d=\"{}\"/>\n</g>\n",
        activations, gradients);
  }

  // One strip a rank, all of one scale.
  void draw_memory() {
    const double line = layout_.strip + layout_.strip_gap;
    bottom_ += 20;
    body_ += text(layout_.left, bottom_,
                  bytes_ ? "memory of each rank; darker: what is there throughout"
                         : "kept for the backward, in activations of a micro-batch through all of "
                           "a rank's stages");
    const double top = bottom_ + 8;
    std::string peaks = "<g>";
    for (int rank = 0; rank < ranks_; ++rank) {
      body_ += strip(rank, top + rank * line + layout_.strip);
      if (rank % labelled(line) == 0) {
        peaks += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>", number(right() + 8),
                             number(middle(top + rank * line, layout_.strip)), amount(peak(rank)));
      }
    }
    body_ += labels(top, layout_.strip, layout_.strip_gap) + peaks + "</g>\n";
    bottom_ = top + ranks_ * line - layout_.strip_gap;
  }

  std::string strip(int rank, double base) const {
    const std::vector<MemoryPoint>& points = step_.ranks[rank].memory;
    const auto level = [&](const MemoryPoint& point) {
      const double kept = bytes_ ? static_cast<double>(point.bytes) : point.activations;
      return kept / largest_ * (layout_.strip - 1);
    };
    std::string path = fmt::format("M{} {}", number(layout_.left), number(base));
    double least = points.empty() ? 0 : layout_.strip;
    for (const MemoryPoint& point : points) {
      path += fmt::format("H{}V{}", number(layout_.x(point.time)), number(base - level(point)));
      least = std::min(least, level(point));
    }
    const std::string line =
        fmt::format("M{} {}h{}", number(layout_.left), number(base), number(layout_.plot));
    std::string drawn = fmt::format("<path fill=\"{}\" d=\"{}H{}V{}z\"/>\n", kKept, path,
                                    number(right()), number(base));
    if (least > 0) {
      drawn += fmt::format("<path fill=\"{}\" d=\"{}v-{}h-{}z\"/>\n", kLasting, line, number(least),
                           number(layout_.plot));
    }
    return drawn + fmt::format("<path stroke=\"{}\" d=\"{}\"/>\n", kFaint, line);
  }

  const schedule::Schedule& schedule_;
  const SimulatedStep& step_;
  const RenderOptions& options_;
  const std::vector<PictureBox> boxes_;
  const PictureLayout layout_;
  const Unit unit_;
  const int ranks_;
  const bool bytes_;
  int shades_ = 1;
  double largest_ = 0;  // of all ranks' peaks
  double bottom_ = 0;   // of what is drawn so far
  std::string body_;
};

}  // namespace

std::string render_svg(const schedule::Schedule& schedule, const SimulatedStep& step,
                       const RenderOptions& options) {
  return Picture(schedule, step, options).draw();
}

}  // namespace lockflight::plan
