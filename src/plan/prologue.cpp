#include "plan/prologue.h"

#include <algorithm>

namespace lockflight::plan {

using schedule::Action;
using schedule::ActionKind;

namespace {

class Prologues {
 public:
  Prologues(const schedule::Schedule& schedule, const std::vector<std::vector<Action>>& orders)
      : schedule_(schedule),
        orders_(orders),
        position_(static_cast<std::size_t>(schedule.stages()) * schedule.micro_batches) {
    for (const std::vector<Action>& order : orders_) {
      const auto end = std::ranges::find_if(
          order, [](const Action& action) { return action.kind != ActionKind::forward; });
      lengths_.push_back(static_cast<std::size_t>(end - order.begin()));
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (order[i].kind == ActionKind::forward) {
          position_[number_of(order[i])] = i;
        }
      }
    }
    lengths_.back() = 0;
  }

  // Cutting one prologue short can cut that of a later stage.
  std::vector<std::size_t> run() {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t rank = 0; rank < orders_.size(); ++rank) {
        const std::size_t length = supplied(rank);
        changed = changed || length < lengths_[rank];
        lengths_[rank] = length;
      }
    }
    return lengths_;
  }

 private:
  std::size_t number_of(const Action& forward) const {
    return static_cast<std::size_t>(forward.stage) * schedule_.micro_batches + forward.micro_batch;
  }

  // How many actions of a prologue have their input from a prologue.
  std::size_t supplied(std::size_t rank) const {
    for (std::size_t i = 0; i < lengths_[rank]; ++i) {
      const Action& action = orders_[rank][i];
      if (schedule_.placement.begins_copy(action.stage)) {
        continue;
      }
      const int maker = schedule_.placement.rank_of(action.stage - 1);
      const Action made{action.stage - 1, ActionKind::forward, action.micro_batch};
      if (position_[number_of(made)] >= lengths_[maker]) {
        return i;
      }
    }
    return lengths_[rank];
  }

  const schedule::Schedule& schedule_;
  const std::vector<std::vector<Action>>& orders_;
  std::vector<std::size_t> position_;  // of each forward in the order of its rank
  std::vector<std::size_t> lengths_;   // by rank
};

}  // namespace

std::vector<std::size_t> prologue_actions(const schedule::Schedule& schedule,
                                          const std::vector<std::vector<Action>>& orders) {
  return Prologues(schedule, orders).run();
}

}  // namespace lockflight::plan
