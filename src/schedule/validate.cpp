// validate of schedule.h.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {
namespace {

// The kinds with a micro-batch are the first ones.
constexpr auto kKindsWithMicroBatch = static_cast<std::size_t>(ActionKind::unshard);
constexpr int kNowhere = -1;

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
      return findings_;
    }
    if (schedule_.micro_batches % schedule_.placement.copies() != 0) {
      find(
          "the schedule has {} micro-batches, which its {} copies of the model cannot share evenly",
          schedule_.micro_batches, schedule_.placement.copies());
      return findings_;
    }
    positions_.assign(kKindsWithMicroBatch * schedule_.stages() * schedule_.micro_batches,
                      kNowhere);
    last_gradient_.assign(schedule_.stages(), Action{});
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
    if (action.stage < 0 || action.stage >= schedule_.stages()) {
      find("rank {}: {} is of no stage among 0 to {}", rank, to_string(action),
           schedule_.stages() - 1);
      return;
    }
    if (schedule_.placement.rank_of(action.stage) != rank) {
      find("rank {}: {} belongs on rank {}, which holds stage {}", rank, to_string(action),
           schedule_.placement.rank_of(action.stage), action.stage);
    }
    if (!has_micro_batch(action.kind)) {
      return;  // a stage may be unsharded and resharded again and again
    }
    if (action.kind == ActionKind::recompute) {
      find("rank {}: {} is for programs; lowering places what recomputes", rank, to_string(action));
      return;
    }
    const Placement::Range here = micro_batches_of(action.stage);
    if (!here.contains(action.micro_batch)) {
      find("rank {}: {} is of no micro-batch among {} to {}", rank, to_string(action), here.begin,
           here.end - 1);
      return;
    }
    if (position_of(action) != kNowhere) {
      find("rank {}: {} runs more than once", rank, to_string(action));
      return;
    }
    position_of(action) = position;
    if (action.kind == ActionKind::backward || action.kind == ActionKind::weight_gradient) {
      check_ascending(rank, action);
    }
  }

  // Gradients of a parameter are summed in the order of micro-batches, whatever the schedule.
  void check_ascending(int rank, const Action& action) {
    Action& last = last_gradient_[action.stage];
    if (last.micro_batch > action.micro_batch) {
      find(
          "rank {}: {} comes after {}, but weight gradients are summed in ascending order of "
          "micro-batches",
          rank, to_string(action), to_string(last));
    }
    last = action;
  }

  void check_stage(int stage) {
    using enum ActionKind;
    const Placement::Range here = micro_batches_of(stage);
    for (int micro_batch = here.begin; micro_batch < here.end; ++micro_batch) {
      const int f = position_of({stage, forward, micro_batch});
      const int i = position_of({stage, input_gradient, micro_batch});
      const int w = position_of({stage, weight_gradient, micro_batch});
      const int b = position_of({stage, backward, micro_batch});
      const auto find_here = [&](const char* what) {
        find("stage {}, micro-batch {}: {}", stage, micro_batch, what);
      };
      if (f == kNowhere) {
        find_here("the forward is missing");
      }
      if (trains_ && b == kNowhere && (i == kNowhere || w == kNowhere)) {
        find_here("the backward is missing: it takes B, or I and W");
      }
      if (b != kNowhere && (i != kNowhere || w != kNowhere)) {
        find_here("B runs beside I or W, so gradients would be counted twice");
      }
      for (const int gradient : {i, w, b}) {
        if (f != kNowhere && gradient != kNowhere && gradient <= f) {
          find_here("a backward does not come after the forward");
        }
      }
      if (i != kNowhere && w != kNowhere && w <= i) {
        find_here("W does not come after I");
      }
    }
  }

  Placement::Range micro_batches_of(int stage) const {
    return schedule_.placement.micro_batches_of(stage, schedule_.micro_batches);
  }

  // In its row, by cells.
  int& position_of(const Action& action) {
    const std::size_t place =
        static_cast<std::size_t>(action.stage) * schedule_.micro_batches + action.micro_batch;
    return positions_[place * kKindsWithMicroBatch + static_cast<std::size_t>(action.kind)];
  }

  const Schedule& schedule_;
  bool trains_;
  std::vector<int> positions_;         // of every action with a micro-batch, or kNowhere
  std::vector<Action> last_gradient_;  // by stage
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> validate(const Schedule& schedule) { return Validation(schedule).run(); }

}  // namespace lockflight::schedule
