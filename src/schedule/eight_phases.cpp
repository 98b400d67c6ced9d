#include "schedule/eight_phases.h"

#include <array>
#include <cstddef>
#include <utility>

namespace lockflight::schedule {
namespace {

using enum ActionKind;

constexpr int kDown = 0;
constexpr int kUp = 1;

class Order {
 public:
  explicit Order(const EightPhases& phases)
      : before_(phases.before),
        after_(phases.after),
        main_(phases.micro_batches - 2 * phases.after - phases.before),
        ways_{phases.down, phases.up} {}

  std::vector<Cell> run() {
    for (int i = 0; i < 2 * after_; ++i) {  // 1
      forward_of(kDown);
    }
    for (int i = 0; i < before_; ++i) {  // 2
      forward_of(kDown);
      forward_of(kUp);
    }
    for (int i = 0; i < after_; ++i) {  // 3
      split_backward_of(kUp);
      delayed_weight_gradient();
      forward_of(kUp);
    }
    run_main();                         // 4
    for (int i = 0; i < after_; ++i) {  // 5
      backward_of(kUp);
      pair(kUp, kDown);
    }
    drain();                            // 6
    for (int i = 0; i < after_; ++i) {  // 7
      delayed_weight_gradient();
      split_backward_of(kDown);
    }
    for (int i = 0; i < before_; ++i) {  // 8
      delayed_weight_gradient();
    }
    return std::move(cells_);
  }

 private:
  void run_main() {
    for (int i = 0; i < main_; ++i) {
      if (i == 0 && after_ == 0) {
        // Micro-batches turn, or the two ways meet, here; apart, the first backward starts sooner.
        forward_of(kDown);
        backward_of(kUp);
      } else {
        pair(kDown, kUp);
      }
      pair(kUp, kDown);
    }
  }

  // The later half of these backwards leaves its weight gradients to the phases that wait most.
  void drain() {
    for (int i = 0; i < 2 * before_; ++i) {
      const int way = i % 2 == 0 ? kUp : kDown;
      if (i < before_) {
        backward_of(way);
      } else {
        split_backward_of(way);
      }
    }
  }

  Action next(ActionKind kind, int way) {
    int& count = kind == forward ? forwards_[way] : backwards_[way];
    return {ways_[way].stage, kind, ways_[way].first_micro_batch + count++};
  }

  void forward_of(int way) { cells_.push_back({next(forward, way)}); }
  void backward_of(int way) { cells_.push_back({next(backward, way)}); }
  void pair(int forward_way, int backward_way) {
    cells_.push_back({next(forward, forward_way), next(backward, backward_way)});
  }

  void split_backward_of(int way) {
    const Action action = next(input_gradient, way);
    cells_.push_back({action});
    delayed_.push_back({action.stage, weight_gradient, action.micro_batch});
  }
  void delayed_weight_gradient() { cells_.push_back({delayed_[next_delayed_++]}); }

  const int before_;
  const int after_;
  const int main_;
  const std::array<EightPhases::Way, 2> ways_;
  std::array<int, 2> forwards_{};
  std::array<int, 2> backwards_{};
  std::vector<Action> delayed_;
  std::size_t next_delayed_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace

std::vector<Cell> eight_phases(const EightPhases& phases) { return Order(phases).run(); }

}  // namespace lockflight::schedule
