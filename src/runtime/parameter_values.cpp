#include "runtime/parameter_values.h"

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <xxhash.h>

#include "lockflight/core/error.h"

namespace lockflight::runtime {
namespace {

std::size_t number_of(const std::string& name, ParameterEntries entries) {
  const auto found =
      std::ranges::find(entries, name, [](const auto& entry) { return entry.parameter->name(); });
  return static_cast<std::size_t>(found - entries.begin());
}

}  // namespace

std::vector<ParameterSet::Entry> list_parameters(nn::Model& model,
                                                 const std::vector<StagePlan>& stages) {
  std::vector<ParameterSet::Entry> entries;
  for (const StagePlan& stage : stages) {
    for (int layer = stage.first_layer; layer < stage.first_layer + stage.layers; ++layer) {
      for (nn::Parameter* parameter : model.layers()[layer].layer->parameters()) {
        entries.push_back({.parameter = parameter, .rank = stage.rank});
      }
    }
  }
  for (const nn::Tie& tie : model.ties()) {
    entries[number_of(tie.second, entries)].tied_to =
        static_cast<int>(number_of(tie.first, entries));
  }
  return entries;
}

plan::TiedParameters ends_on(int rank, const nn::Tie& tie, ParameterEntries entries) {
  const auto held = [&](const std::string& name) {
    const ParameterSet::Entry& entry = entries[number_of(name, entries)];
    return entry.rank == rank ? entry.parameter : nullptr;
  };
  return {.first = held(tie.first), .second = held(tie.second)};
}

void materialize(const RankContext& context, ParameterEntries entries, std::uint64_t seed) {
  for (const ParameterSet::Entry& entry : entries) {
    if (entry.rank != context.rank) {
      continue;
    }
    entry.parameter->materialize(context.device, context.stream, seed);
    if (entry.tied_to >= 0) {
      const auto values = entries[entry.tied_to].parameter->initial_values(seed);
      entry.parameter->set(context.stream, values);
      context.device.synchronize();
    }
  }
}

std::vector<std::vector<float>> read_back(Ranks& ranks, ParameterEntries entries,
                                          std::span<const std::size_t> numbers) {
  std::vector<std::vector<float>> values(numbers.size());
  ranks.on_each_rank([&](RankContext& context) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const ParameterSet::Entry& entry = entries[numbers[i]];
      if (entry.rank == context.rank) {
        values[i].resize(static_cast<std::size_t>(entry.parameter->elements()));
        context.stream.download(values[i].data(), entry.parameter->value());
      }
    }
  });
  return values;
}

void write(Ranks& ranks, ParameterEntries entries, std::size_t number,
           std::span<const float> values) {
  const nn::Parameter& parameter = *entries[number].parameter;
  if (static_cast<std::int64_t>(values.size()) != parameter.elements()) {
    throw InvalidArgument(fmt::format("parameter {}: {} values given, it has {}", parameter.name(),
                                      values.size(), parameter.elements()));
  }
  ranks.on_each_rank([&](RankContext& context) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const bool same = i == number || entries[i].tied_to == static_cast<int>(number);
      if (same && entries[i].rank == context.rank) {
        entries[i].parameter->set(context.stream, values);
      }
    }
  });
}

std::uint64_t hash_of(Ranks& ranks, ParameterEntries entries) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].tied_to < 0) {
      numbers.push_back(i);
    }
  }
  const auto free_state = [](XXH64_state_t* state) { XXH64_freeState(state); };
  const std::unique_ptr<XXH64_state_t, decltype(free_state)> state(XXH64_createState(), free_state);
  XXH64_reset(state.get(), 0);
  for (const std::vector<float>& values : read_back(ranks, entries, numbers)) {
    XXH64_update(state.get(), values.data(), values.size() * sizeof(float));
  }
  return XXH64_digest(state.get());
}

}  // namespace lockflight::runtime
