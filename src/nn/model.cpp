#include "lockflight/nn/model.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "nn/parts.h"

namespace lockflight::nn {

void Model::add(std::string name, std::unique_ptr<Layer> layer) {
  const bool taken =
      std::ranges::any_of(layers_, [&](const NamedLayer& other) { return other.name == name; });
  if (taken) {
    throw InvalidArgument(
        fmt::format("model: layer {} is to be named '{}', but an earlier layer has that name; "
                    "names must differ",
                    layers_.size(), name));
  }
  std::set<std::string> names;
  for (const Parameter* parameter : layer->parameters()) {
    if (!names.insert(parameter->name()).second) {
      throw InvalidArgument(
          fmt::format("model: layer '{}' has two parameters named '{}'; names must differ", name,
                      parameter->name()));
    }
  }
  name_part(name, *layer);
  layers_.push_back({std::move(name), std::move(layer)});
}

void Model::tie(Tie tie) {
  const std::vector<Parameter*> all = parameters();
  const auto find = [&](const std::string& name) {
    const auto found = std::ranges::find(all, name, &Parameter::name);
    if (found == all.end()) {
      throw InvalidArgument(
          fmt::format("model: '{}' and '{}' cannot be tied: there is no parameter '{}'", tie.first,
                      tie.second, name));
    }
    return found;
  };
  const auto first = find(tie.first);
  const auto second = find(tie.second);
  if (first >= second) {
    throw InvalidArgument(
        fmt::format("model: '{}' and '{}' cannot be tied in this order; name the one of the "
                    "earlier layer first",
                    tie.first, tie.second));
  }
  if ((*first)->spec() != (*second)->spec()) {
    throw InvalidArgument(fmt::format(
        "model: '{}' is {} and '{}' is {}; tied parameters must have one shape", tie.first,
        to_string((*first)->spec()), tie.second, to_string((*second)->spec())));
  }
  for (const Tie& other : ties_) {
    if (other.first == tie.first || other.second == tie.first || other.first == tie.second ||
        other.second == tie.second) {
      throw InvalidArgument(
          fmt::format("model: '{}' and '{}' cannot be tied, because '{}' and '{}' are tied already",
                      tie.first, tie.second, other.first, other.second));
    }
  }
  (*second)->start_as(**first);
  ties_.push_back(std::move(tie));
}

Model Model::again() const {
  if (!make_) {
    throw InvalidArgument(
        "model: a second copy of it is needed, and nothing has said how to make one; call made_by "
        "with a function that makes the same model");
  }
  Model copy = make_();
  const auto same = [](const auto& mine, const auto& other) {
    return mine->name() == other->name() && mine->spec() == other->spec();
  };
  if (!std::ranges::equal(layers_, copy.layers_, {}, &NamedLayer::name, &NamedLayer::name) ||
      !std::ranges::equal(parameters(), copy.parameters(), same) || ties_ != copy.ties_) {
    throw InvalidArgument(
        "model: the function given to made_by makes another model, with other layers, parameters "
        "or ties; it must make the same one");
  }
  return copy;
}

std::vector<Parameter*> Model::parameters() const {
  std::vector<Parameter*> parameters;
  for (const NamedLayer& layer : layers_) {
    std::ranges::copy(layer.layer->parameters(), std::back_inserter(parameters));
  }
  return parameters;
}

std::int64_t Model::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter* parameter : parameters()) {
    const bool counted_already =
        std::ranges::any_of(ties_, [&](const Tie& tie) { return tie.second == parameter->name(); });
    count += counted_already ? 0 : parameter->elements();
  }
  return count;
}

}  // namespace lockflight::nn
