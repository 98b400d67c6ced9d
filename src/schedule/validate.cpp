// validate of schedule.h.

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {
namespace {

using Key = std::tuple<int, ActionKind, int>;  // stage, kind, micro-batch

Key key_of(const Action& action) { return {action.stage, action.kind, action.micro_batch}; }

class Validation {
 public:
  explicit Validation(const Schedule& schedule)
      : schedule_(schedule), trains_(has_backward(schedule)) {}

  std::vector<std::string> run() {
    if (static_cast<int>(schedule_.rows.size()) != schedule_.ranks()) {
      find("the schedule has {} rows but its placement {} ranks", schedule_.rows.size(),
           schedule_.ranks());
      return findings_;
    }
    if (schedule_.micro_batches < 1) {
      find("the schedule has {} micro-batches, expected at least 1", schedule_.micro_batches);
    }
    for (int rank = 0; rank < schedule_.ranks(); ++rank) {
      check_row(rank);
    }
    for (int stage = 0; stage < schedule_.stages(); ++stage) {
      check_stage(stage);
    }
    return findings_;
  }

 private:
  template <typename... Values>
  void find(fmt::format_string<Values...> sentence, Values&&... values) {
    findings_.push_back(fmt::format(sentence, std::forward<Values>(values)...));
  }

  void check_row(int rank) {
    int position = 0;
    for (const Cell& cell : schedule_.rows[rank]) {
      if (cell.size() > 1 && !(cell.size() == 2 && cell[0].kind == ActionKind::forward &&
                               cell[1].kind == ActionKind::backward)) {
        find("rank {}: the overlapped cell of {} is not one F and one B", rank,
             to_string(cell.front()));
      }
      for (const Action& action : cell) {
        check_action(rank, action, position);
      }
      ++position;
    }
  }

  void check_action(int rank, const Action& action, int position) {
    const std::string text = to_string(action);
    if (action.stage < 0 || action.stage >= schedule_.stages()) {
      find("rank {}: {} is of no stage among 0 to {}", rank, text, schedule_.stages() - 1);
      return;
    }
    if (schedule_.placement.rank_of(action.stage) != rank) {
      find("rank {}: {} belongs on rank {}, which holds stage {}", rank, text,
           schedule_.placement.rank_of(action.stage), action.stage);
    }
    if (!has_micro_batch(action.kind)) {
      return;  // a stage may be unsharded and resharded again and again
    }
    if (action.micro_batch < 0 || action.micro_batch >= schedule_.micro_batches) {
      find("rank {}: {} is of no micro-batch among 0 to {}", rank, text,
           schedule_.micro_batches - 1);
      return;
    }
    if (!positions_.try_emplace(key_of(action), position).second) {
      find("rank {}: {} runs more than once", rank, text);
      return;
    }
    if (action.kind == ActionKind::backward || action.kind == ActionKind::weight_gradient) {
      check_ascending(rank, action);
    }
  }

  // Gradients of a parameter are summed in the order of micro-batches, whatever the schedule.
  void check_ascending(int rank, const Action& action) {
    const auto [last, first_time] = last_gradient_.try_emplace(action.stage, action);
    if (!first_time && last->second.micro_batch > action.micro_batch) {
      find(
          "rank {}: {} comes after {}, but weight gradients are summed in ascending order of "
          "micro-batches",
          rank, to_string(action), to_string(last->second));
    }
    last->second = action;
  }

  void check_stage(int stage) {
    using enum ActionKind;
    for (int micro_batch = 0; micro_batch < schedule_.micro_batches; ++micro_batch) {
      const int* const f = position_of({stage, forward, micro_batch});
      const int* const i = position_of({stage, input_gradient, micro_batch});
      const int* const w = position_of({stage, weight_gradient, micro_batch});
      const int* const b = position_of({stage, backward, micro_batch});
      const std::string what = fmt::format("stage {}, micro-batch {}", stage, micro_batch);
      if (f == nullptr) {
        find("{}: the forward is missing", what);
      }
      if (trains_ && b == nullptr && (i == nullptr || w == nullptr)) {
        find("{}: the backward is missing: it takes B, or I and W", what);
      }
      if (b != nullptr && (i != nullptr || w != nullptr)) {
        find("{}: B runs beside I or W, so gradients would be counted twice", what);
      }
      for (const int* const gradient : {i, w, b}) {
        if (f != nullptr && gradient != nullptr && *gradient <= *f) {
          find("{}: a backward does not come after the forward", what);
        }
      }
      if (i != nullptr && w != nullptr && *w <= *i) {
        find("{}: W does not come after I", what);
      }
    }
  }

  const int* position_of(const Key& key) const {
    const auto found = positions_.find(key);
    return found == positions_.end() ? nullptr : &found->second;
  }

  const Schedule& schedule_;
  bool trains_;
  std::map<Key, int> positions_;  // the cell in its row, for every action with a micro-batch
  std::map<int, Action> last_gradient_;
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> validate(const Schedule& schedule) { return Validation(schedule).run(); }

}  // namespace lockflight::schedule
