#include "partition/recompute.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

namespace lockflight::partition {
namespace {

constexpr std::size_t kMostLabels = 4096;

struct Option {
  std::int64_t held;
  std::int64_t transient;
  Ticks ticks;
};

// A layer as it is, and recomputed if it may be.
struct Item {
  int layer;
  std::vector<Option> options;
};

// A choice for the first layers that no other beats in both numbers.
struct Label {
  std::int64_t held;
  Ticks ticks;
  int from;  // label of the layers in front
  bool recomputed;
};

std::vector<Item> items_of(const Costs& costs, int rank, std::span<const Share> shares) {
  std::vector<Item> items;
  for (const Share& share : shares) {
    for (int layer = share.begin; layer < share.end; ++layer) {
      Item item{.layer = layer, .options = {}};
      const Memory plain = costs.memory_of(share.stage, layer, false);
      item.options.push_back({.held = plain.held, .transient = plain.transient, .ticks = 0});
      if (costs.problem().recompute && costs.problem().layers[layer].recomputed) {
        const Memory memory = costs.memory_of(share.stage, layer, true);
        item.options.push_back({.held = memory.held,
                                .transient = memory.transient,
                                .ticks = costs.recomputing(rank, layer)});
      }
      items.push_back(std::move(item));
    }
  }
  return items;
}

// The option that holds least with at most this transient, or nothing.
const Option* leanest(const Item& item, std::int64_t transient) {
  const Option* best = nullptr;
  for (const Option& option : item.options) {
    if (option.transient <= transient && (best == nullptr || option.held < best->held)) {
      best = &option;
    }
  }
  return best;
}

// Keeps the labels that no other beats: ascending in held, descending in ticks.
void keep_best(std::vector<Label>& labels) {
  std::ranges::sort(labels, [](const Label& a, const Label& b) {
    return a.held != b.held ? a.held < b.held : a.ticks < b.ticks;
  });
  Ticks least = std::numeric_limits<Ticks>::max();
  std::erase_if(labels, [&](const Label& label) {
    const bool beaten = label.ticks >= least;
    least = std::min(least, label.ticks);
    return beaten;
  });
}

// Every second label, the ends among them.
void thin(std::vector<Label>& labels) {
  std::vector<Label> kept;
  for (std::size_t i = 0; i < labels.size(); i += 2) {
    kept.push_back(labels[i]);
  }
  if (labels.size() % 2 == 0) {
    kept.push_back(labels.back());
  }
  labels = std::move(kept);
}

class Knapsack {
 public:
  // least_behind[k]: what layers k and on hold at least.
  Knapsack(const std::vector<Item>& items, std::int64_t transient, std::int64_t held,
           const std::vector<std::int64_t>& least_behind, std::int64_t& steps_left)
      : items_(items), labels_{{Label{0, 0, 0, false}}} {
    for (std::size_t k = 0; k < items.size(); ++k) {
      std::vector<Label> next;
      for (int from = 0; from < static_cast<int>(labels_.back().size()); ++from) {
        const Label& label = labels_.back()[from];
        for (const Option& option : items[k].options) {
          if (option.transient <= transient &&
              label.held + option.held + least_behind[k + 1] <= held) {
            next.push_back({.held = label.held + option.held,
                            .ticks = label.ticks + option.ticks,
                            .from = from,
                            .recomputed = &option != &items[k].options.front()});
          }
        }
      }
      keep_best(next);
      steps_left -= static_cast<std::int64_t>(next.size());
      while (next.size() > kMostLabels) {
        thin(next);
        proved_ = false;
      }
      labels_.push_back(std::move(next));
    }
  }

  bool proved() const { return proved_; }
  Ticks ticks() const { return labels_.back().back().ticks; }
  std::int64_t held() const { return labels_.back().back().held; }

  std::vector<int> recomputed() const {
    std::vector<int> layers;
    int at = static_cast<int>(labels_.back().size()) - 1;
    for (std::size_t k = items_.size(); k > 0; --k) {
      const Label& label = labels_[k][at];
      if (label.recomputed) {
        layers.push_back(items_[k - 1].layer);
      }
      at = label.from;
    }
    return layers;
  }

 private:
  const std::vector<Item>& items_;
  std::vector<std::vector<Label>> labels_;  // [k]: of the first k layers
  bool proved_ = true;
};

// The least that layers k and on hold, with at most this transient; nothing if a layer has more.
std::optional<std::vector<std::int64_t>> least_held(const std::vector<Item>& items,
                                                    std::int64_t transient) {
  std::vector<std::int64_t> behind(items.size() + 1, 0);
  for (std::size_t k = items.size(); k > 0; --k) {
    const Option* option = leanest(items[k - 1], transient);
    if (option == nullptr) {
      return std::nullopt;
    }
    behind[k - 1] = behind[k] + option->held;
  }
  return behind;
}

std::vector<std::int64_t> transients_of(const std::vector<Item>& items) {
  std::vector<std::int64_t> transients;
  for (const Item& item : items) {
    for (const Option& option : item.options) {
      transients.push_back(option.transient);
    }
  }
  std::ranges::sort(transients);
  transients.erase(std::unique(transients.begin(), transients.end()), transients.end());
  return transients;
}

}  // namespace

// For every bound on the transient that could be the largest one, this is a knapsack: the bound
// leaves so much for what is held, and a layer either holds more or costs more.
Choice choose_recomputed(const Costs& costs, int rank, std::span<const Share> shares,
                         std::int64_t memory_bytes, std::int64_t& steps_left) {
  const std::vector<Item> items = items_of(costs, rank, shares);
  Choice best{.bytes = kUnlimited};
  bool fits = false;
  for (const std::int64_t transient : transients_of(items)) {
    const auto behind = least_held(items, transient);
    steps_left -= static_cast<std::int64_t>(items.size());
    if (!behind || (fits && behind->front() + transient > memory_bytes)) {
      continue;
    }
    const std::int64_t held = std::max(memory_bytes - transient, behind->front());
    const bool within = held + transient <= memory_bytes;
    if (!within && behind->front() + transient >= best.bytes) {
      continue;
    }
    const Knapsack knapsack(items, transient, held, *behind, steps_left);
    if (!fits && within) {
      best.ticks = std::numeric_limits<Ticks>::max();
      fits = true;
    }
    best.proved = best.proved && knapsack.proved();
    if (!within || knapsack.ticks() < best.ticks) {
      best.bytes = knapsack.held() + transient;
      best.ticks = knapsack.ticks();
      best.recomputed = knapsack.recomputed();
    }
  }
  return best;
}

}  // namespace lockflight::partition
