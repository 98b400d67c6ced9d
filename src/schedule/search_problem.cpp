#include "schedule/search_problem.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "schedule/order.h"

namespace lockflight::schedule {
namespace {

void check_length(std::string_view what, std::size_t length, std::size_t expected, bool optional) {
  if (length != expected && !(optional && length == 0)) {
    throw InvalidArgument(fmt::format("search: {} {}, expected {}", length, what, expected));
  }
}

void check_value(std::string_view what, double value) {
  if (!(value >= 0) || value == std::numeric_limits<double>::infinity()) {
    throw InvalidArgument(
        fmt::format("search: {} is {}; it must be a number of at least 0", what, value));
  }
}

}  // namespace

void check(const SearchProblem& problem) {
  const auto stages = static_cast<std::size_t>(problem.placement.stages());
  if (stages == 0 || problem.micro_batches < 1 || problem.receive_ahead < 0) {
    throw InvalidArgument(fmt::format(
        "search: {} stages, {} micro-batches, receives {} actions ahead; there must be at least "
        "one stage and micro-batch, and receives 0 or more ahead",
        stages, problem.micro_batches, problem.receive_ahead));
  }
  if (problem.placement.copies() != 1) {
    throw InvalidArgument("search: two copies of the model; orders are searched for one");
  }
  check_length("times of stages", problem.times.size(), stages, false);
  check_length("transfers forward", problem.forward_transfers.size(), stages - 1, true);
  check_length("transfers backward", problem.backward_transfers.size(), stages - 1, true);
  check_length("sizes of what is saved", problem.saved.size(), stages, true);
  check_length("memory limits", problem.memory_limits.size(),
               static_cast<std::size_t>(problem.placement.ranks()), true);
  for (const StageTimes& times : problem.times) {
    check_value("the time of a forward", times.forward);
    check_value("the time of an input gradient", times.input_gradient);
    check_value("the time of a weight gradient", times.weight_gradient);
  }
  for (const auto* transfers : {&problem.forward_transfers, &problem.backward_transfers}) {
    for (const double time : *transfers) {
      check_value("the time of a transfer", time);
    }
  }
  for (const SavedBytes& saved : problem.saved) {
    check_value("what a stage saves", static_cast<double>(saved.after_forward));
    check_value("what a stage saves", static_cast<double>(saved.after_input_gradient));
  }
}

void check_memory(const SearchProblem& problem) {
  const std::vector<SavedBytes> saved = saved_bytes(problem);
  for (int rank = 0; rank < problem.placement.ranks(); ++rank) {
    std::int64_t bytes = 0;
    std::int64_t more = 0;
    for (const int stage : problem.placement.stages_of(rank)) {
      bytes += saved[stage].after_forward;
      more = std::max(more, saved[stage].after_input_gradient - saved[stage].after_forward);
    }
    if (bytes + more > memory_limit(problem, rank)) {
      throw PlanError(fmt::format(
          "no order fits: rank {} saves {} bytes for one micro-batch, the least that any order "
          "takes, but has a limit of {}",
          rank, bytes + more, memory_limit(problem, rank)));
    }
  }
}

}  // namespace lockflight::schedule
