#include "runtime/parameter_values.h"

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <xxhash.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/elementwise.h"

namespace lockflight::runtime {
namespace {

std::size_t number_of(const std::string& name, ParameterEntries entries) {
  const auto found =
      std::ranges::find(entries, name, [](const auto& entry) { return entry.parameter->name(); });
  return static_cast<std::size_t>(found - entries.begin());
}

}  // namespace

std::vector<ParameterSet::Entry> list_parameters(const std::vector<nn::Model*>& copies,
                                                 const std::vector<StagePlan>& stages) {
  const std::size_t parts = stages.size() / copies.size();
  std::vector<ParameterSet::Entry> entries;
  for (std::size_t number = 0; number < stages.size(); ++number) {
    const StagePlan& stage = stages[number];
    for (int layer = stage.first_layer; layer < stage.first_layer + stage.layers; ++layer) {
      for (nn::Parameter* parameter : copies[number / parts]->layers()[layer].layer->parameters()) {
        entries.push_back({.parameter = parameter, .rank = stage.rank});
      }
    }
  }
  for (const nn::Tie& tie : copies.front()->ties()) {  // names are found in the first copy
    entries[number_of(tie.second, entries)].tied_to =
        static_cast<int>(number_of(tie.first, entries));
  }
  const std::size_t of_one_copy = entries.size() / copies.size();
  for (std::size_t i = of_one_copy; i < entries.size(); ++i) {
    const std::size_t same = i - of_one_copy;
    entries[i].tied_to = entries[same].tied_to < 0 ? static_cast<int>(same) : entries[same].tied_to;
  }
  return entries;
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

void forget_tied_gradients(const RankContext& context, ParameterEntries entries) {
  for (const ParameterSet::Entry& entry : entries) {
    if (entry.rank == context.rank && entry.tied_to >= 0) {
      ops::fill(context.stream, entry.parameter->grad(), 0.0F);
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
