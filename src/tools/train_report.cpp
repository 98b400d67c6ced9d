#include "tools/train_report.h"

#include <cmath>
#include <ostream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/plan/plan_json.h"
#include "lockflight/schedule/grid.h"
#include "tools/text_sample.h"

namespace lockflight::tools {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no words for what is not finite.
Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

std::string hexadecimal(std::uint64_t weights) { return fmt::format("{:#018x}", weights); }

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string as_json(const Plan& plan, const PredictionCheck& check, const TrainSummary& summary) {
  Json files = Json::object();
  for (const WrittenFile& file : summary.files) {
    files[file.what] = file.path;
  }
  const Json object = {{"event", summary.signal == 0 ? "end" : "interrupted"},
                       {"steps", summary.steps},
                       {"loss", number(summary.loss)},
                       {"validation_loss", number(summary.validation_loss)},
                       {"bubble_predicted", plan.prediction.idle_share},
                       {"bubble_measured", number(summary.measured_bubble)},
                       {"prediction", check.empty() ? Json(nullptr) : check.as_json(plan)},
                       {"sample", summary.sample ? Json(*summary.sample) : Json(nullptr)},
                       {"files", files},
                       {"weights", hexadecimal(summary.weights)}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_text(const Plan& plan, const PredictionCheck& check, const TrainSummary& summary) {
  std::string text;
  if (summary.signal != 0) {
    text += fmt::format("\nstopped by signal {} after step {}\n", summary.signal, summary.steps);
  }
  text +=
      fmt::format("\nbubble     expected {}, measured {}\n", percent(plan.prediction.idle_share),
                  summary.measured_bubble ? percent(*summary.measured_bubble) : "nothing");
  if (!check.empty()) {
    text += check.as_text(plan);
  }
  if (summary.validation_loss) {
    text += fmt::format("validation {:.4f} nats per token\n", *summary.validation_loss);
  }
  if (summary.sample) {
    text += fmt::format("\n--- sample ---\n{}\n--------------\n\n", printable(*summary.sample));
  }
  for (const WrittenFile& file : summary.files) {
    text += fmt::format("{:<10} {}\n", file.what, file.path);
  }
  return text + fmt::format("weights {}\n", hexadecimal(summary.weights));
}

}  // namespace

TrainReport::TrainReport(const TrainOptions& options, const Console& console)
    : options_(options),
      console_(console),
      progress_(console.out, {.terminal = console.terminal,
                              .columns = console.columns,
                              .line_interval = options.log_every}) {}

TrainReport::~TrainReport() { progress_.pause(); }

void TrainReport::begin(const Plan& plan, std::int64_t parameters,
                        std::optional<std::int64_t> tokens) {
  if (options_.json) {
    if (!tokens) {
      console_.print(plan_to_json(plan));
    }
    return;
  }
  std::ostringstream text;
  text << fmt::format("{:.2f} M parameters{}\n\n", static_cast<double>(parameters) * 1e-6,
                      tokens ? fmt::format(", {} tokens of data", *tokens) : "")
       << plan << '\n'
       << schedule::draw_grid(plan.schedule,
                              {.colour = console_.colour, .columns = console_.columns})
       << '\n';
  console_.print(text.str());
}

void TrainReport::note(const std::string& text) {
  if (!options_.json) {
    progress_.pause();
    console_.print(text + "\n");
  }
}

void TrainReport::step(const train::ProgressState& state) {
  if (!options_.json) {
    progress_.show(state);
    console_.flush();
    return;
  }
  if (state.step % options_.log_every != 0 && state.step != state.steps) {
    return;
  }
  const Json object = {{"event", "step"},
                       {"step", state.step},
                       {"steps", state.steps},
                       {"loss", number(state.loss)},
                       {"validation_loss", number(state.validation_loss)},
                       {"tokens_per_second", number(state.tokens_per_second)},
                       {"bubble", number(state.bubble)},
                       {"seconds_left", number(state.seconds_left)}};
  console_.print(object.dump() + "\n");
}

void TrainReport::end(const Plan& plan, const PredictionCheck& check, const TrainSummary& summary) {
  progress_.pause();
  console_.print(options_.json ? as_json(plan, check, summary) : as_text(plan, check, summary));
}

}  // namespace lockflight::tools
