#include "runtime/entries.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace lockflight::runtime {
namespace {

using Entry = ParameterSet::Entry;

void mark_ties(std::vector<Entry>& entries, const nn::Model& model) {
  const auto find = [&entries](const std::string& name) {
    return std::ranges::find(entries, name, [](const Entry& e) { return e.parameter->name(); });
  };
  for (const nn::Tie& tie : model.ties()) {
    find(tie.second)->tied_to = static_cast<int>(find(tie.first) - entries.begin());
  }
}

}  // namespace

std::vector<Entry> entries_of(const std::vector<nn::Model*>& copies,
                              const std::vector<StagePlan>& stages) {
  const std::size_t parts = stages.size() / copies.size();
  std::vector<Entry> entries;
  for (std::size_t number = 0; number < stages.size(); ++number) {
    const StagePlan& stage = stages[number];
    for (int layer = stage.first_layer; layer < stage.first_layer + stage.layers; ++layer) {
      for (nn::Parameter* parameter : copies[number / parts]->layers()[layer].layer->parameters()) {
        entries.push_back({.parameter = parameter, .rank = stage.rank});
      }
    }
  }
  mark_ties(entries, *copies.front());  // names are found in the first copy
  const std::size_t of_one_copy = entries.size() / copies.size();
  for (std::size_t i = of_one_copy; i < entries.size(); ++i) {
    const std::size_t same = i - of_one_copy;
    entries[i].tied_to = entries[same].tied_to < 0 ? static_cast<int>(same) : entries[same].tied_to;
  }
  return entries;
}

}  // namespace lockflight::runtime
