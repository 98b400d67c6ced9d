#include "plan/copies.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

std::vector<nn::Parameter*> parameters_of(nn::Model& model, const StagePlan& stage) {
  std::vector<nn::Parameter*> parameters;
  for (int layer = stage.first_layer; layer < stage.first_layer + stage.layers; ++layer) {
    std::ranges::copy(model.layers()[layer].layer->parameters(), std::back_inserter(parameters));
  }
  return parameters;
}

nn::Parameter* find(nn::Model& model, const StagePlan& stage, const std::string& name) {
  const auto parameters = parameters_of(model, stage);
  return *std::ranges::find(parameters, name, &nn::Parameter::name);
}

}  // namespace

std::vector<TiedStages> ties_of_copies(const schedule::Placement& placement,
                                       const std::vector<TiedStages>& of_model) {
  if (placement.copies() == 1) {
    return of_model;
  }
  const int parts = placement.parts();
  std::vector<TiedStages> ties;
  for (int part = 0; part < parts; ++part) {
    ties.push_back({.first = part, .second = part + parts});
  }
  for (const int first_stage : {0, parts}) {
    for (const TiedStages& tie : of_model) {
      if (std::max(tie.first, tie.second) >= parts) {
        throw InvalidArgument(
            fmt::format("a tie of stages {} and {}; ties are named by the stages of the first copy "
                        "of the model, 0 to {}",
                        tie.first, tie.second, parts - 1));
      }
      ties.push_back({.first = first_stage + tie.first, .second = first_stage + tie.second});
    }
  }
  return ties;
}

std::vector<TiedStages> ties_of_model(const Program& program) {
  std::vector<TiedStages> ties;
  for (const TiedStages& tie : program.ties) {
    if (!ties_copies(program.placement, tie) && program.placement.copy_of(tie.first) == 0) {
      ties.push_back(tie);
    }
  }
  return ties;
}

std::vector<TiedParameters> tied_parameters(const std::vector<nn::Model*>& copies,
                                            const std::vector<StagePlan>& stages, int rank) {
  const std::size_t parts = stages.size() / copies.size();
  const auto is_here = [&](std::size_t stage) { return stages[stage].rank == rank; };
  std::vector<TiedParameters> all;
  for (std::size_t part = 0; part < parts && copies.size() == 2; ++part) {
    TiedParameters& ends = all.emplace_back();
    if (is_here(part)) {
      ends.first = parameters_of(*copies[0], stages[part]);
    }
    if (is_here(part + parts)) {
      ends.second = parameters_of(*copies[1], stages[part + parts]);
    }
  }
  const std::vector<nn::Tie>& ties = copies.front()->ties();
  const std::vector<TiedStages> tied = tied_stages(*copies.front(), stages);
  for (std::size_t copy = 0; copy < copies.size(); ++copy) {
    for (std::size_t i = 0; i < ties.size(); ++i) {
      TiedParameters& ends = all.emplace_back();
      const std::size_t first = copy * parts + tied[i].first;
      const std::size_t second = copy * parts + tied[i].second;
      if (is_here(first)) {
        ends.first.push_back(find(*copies[copy], stages[first], ties[i].first));
      }
      if (is_here(second)) {
        ends.second.push_back(find(*copies[copy], stages[second], ties[i].second));
      }
    }
  }
  return all;
}

bool ties_copies(const schedule::Placement& placement, const TiedStages& tie) {
  return placement.copies() == 2 && tie.second == tie.first + placement.parts();
}

}  // namespace lockflight::plan
