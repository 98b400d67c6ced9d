// How a plan is printed.

#include <algorithm>
#include <ostream>
#include <string>

#include <fmt/format.h>

#include "lockflight/plan/plan.h"

namespace lockflight {
namespace {

// "1.23 ms"
std::string seconds_text(double seconds) {
  if (seconds >= 1) {
    return fmt::format("{:.3g} s", seconds);
  }
  return seconds >= 1e-3 ? fmt::format("{:.3g} ms", seconds * 1e3)
                         : fmt::format("{:.3g} µs", seconds * 1e6);
}

// 124.4 M
std::string count_text(std::int64_t count) {
  const auto value = static_cast<double>(count);
  return value >= 1e9   ? fmt::format("{:.2f} G", value * 1e-9)
         : value >= 1e6 ? fmt::format("{:.2f} M", value * 1e-6)
                        : fmt::format("{}", count);
}

std::string layers_text(const StagePlan& stage) {
  return stage.layers == 1
             ? stage.first_name
             : fmt::format("{} … {} ({})", stage.first_name, stage.last_name, stage.layers);
}

std::string stage_table(const Plan& plan) {
  double slowest = 0;
  std::size_t width = 6;
  bool recomputes = false;
  bool ahead = false;
  for (const StagePlan& stage : plan.stages) {
    recomputes = recomputes || !stage.recomputed.empty();
    ahead = ahead || stage.recompute_seconds;
    slowest = std::max(slowest, stage.seconds());
    width = std::max(width, layers_text(stage).size());
  }
  std::string text =
      fmt::format("{:>5}  {:>4}  {:<{}}  {:>10}  {:>9}  {:>9}  {:>5}  {:>9}{}{}\n", "stage", "rank",
                  "layers", width, "parameters", "forward", "backward", "load", "sends",
                  recomputes ? "  recomputed" : "", ahead ? "  ahead (R)" : "");
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const StagePlan& stage = plan.stages[s];
    text += fmt::format(
        "{:>5}  {:>4}  {:<{}}  {:>10}  {:>9}  {:>9}  {:>4.0f}%  {:>9}{}{}\n", s, stage.rank,
        layers_text(stage), width, count_text(stage.parameters),
        seconds_text(stage.forward_seconds),
        seconds_text(stage.input_gradient_seconds + stage.weight_gradient_seconds),
        slowest > 0 ? 100 * stage.seconds() / slowest : 100.0, bytes_text(stage.boundary_bytes),
        recomputes ? fmt::format("  {:>10}", stage.recomputed.size()) : "",
        ahead ? fmt::format("  {:>9}",
                            stage.recompute_seconds ? seconds_text(*stage.recompute_seconds) : "-")
              : "");
  }
  return text;
}

std::string memory_table(const Plan& plan) {
  const bool has_workspace = std::ranges::any_of(
      plan.memory, [](const RankMemory& memory) { return memory.workspace_bytes > 0; });
  const auto workspace = [=](const std::string& cell) {
    return has_workspace ? fmt::format("{:>9}  ", cell) : "";
  };
  std::string text = fmt::format("{:>5}  {:>10}  {:>9}  {:>9}  {}{:>9}  {:>9}  {:>9}  {}\n", "rank",
                                 "parameters", "gradients", "optimizer", workspace("workspace"),
                                 "step", "total", "limit", "peak of the step");
  for (std::size_t rank = 0; rank < plan.memory.size(); ++rank) {
    const RankMemory& memory = plan.memory[rank];
    text += fmt::format(
        "{:>5}  {:>10}  {:>9}  {:>9}  {}{:>9}  {:>9}  {:>9}  at {}: {}\n", rank,
        bytes_text(memory.parameter_bytes), bytes_text(memory.gradient_bytes),
        bytes_text(memory.optimizer_bytes), workspace(bytes_text(memory.workspace_bytes)),
        bytes_text(memory.step_bytes), bytes_text(memory.arena_bytes()),
        plan.memory_limit_bytes == 0 ? "none" : bytes_text(plan.memory_limit_bytes),
        memory.peak_action, memory.peak_shares.empty() ? "" : memory.peak_shares.front().what);
  }
  return text;
}

std::string prediction_text(const Prediction& prediction) {
  plan::IdleTime sum;
  for (const plan::IdleTime& idle : prediction.idle) {
    sum.dependency += idle.dependency;
    sum.transfer += idle.transfer;
    sum.imbalance += idle.imbalance;
    sum.host += idle.host;
    sum.tail += idle.tail;
  }
  const double whole = prediction.step_seconds * static_cast<double>(prediction.idle.size());
  const auto percent = [whole](double seconds) { return whole > 0 ? 100 * seconds / whole : 0; };
  return fmt::format(
      "expected {} for the forwards and backwards of a step, {:.1f} % idle: dependency {:.1f}, "
      "transfer {:.1f}, imbalance {:.1f}, host {:.1f}, tail {:.1f} ({})\n",
      seconds_text(prediction.step_seconds), 100 * prediction.idle_share, percent(sum.dependency),
      percent(sum.transfer), percent(sum.imbalance), percent(sum.host), percent(sum.tail),
      prediction.source);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Plan& plan) {
  out << stage_table(plan) << '\n' << memory_table(plan) << '\n';
  out << fmt::format(
      "schedule {}, {} micro-batches of {} rows a step; proved complete, free of deadlock and "
      "races, within memory\n",
      plan.schedule.name, plan.batch_shape.micro_batches, plan.batch_shape.micro_batch_rows);
  return out << prediction_text(plan.prediction);
}

}  // namespace lockflight
