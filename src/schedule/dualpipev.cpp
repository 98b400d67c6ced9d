#include "lockflight/schedule/dualpipev.h"

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "schedule/generate.h"

namespace lockflight::schedule {
namespace {

using enum ActionKind;

constexpr int kDown = 0;  // the rank's stage on the way down
constexpr int kUp = 1;

// The order of one rank in its eight phases.
class Order {
 public:
  Order(int rank, PipelineSize size)
      : before_(rank + 1),
        after_(size.ranks - 1 - rank),
        main_(size.micro_batches - 2 * size.ranks + rank + 1),
        stages_{rank, 2 * size.ranks - 1 - rank} {}

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
        // The last rank holds both ends of the turn; apart, its first backward starts sooner.
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
    return {stages_[way], kind, count++};
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

  const int before_;  // ranks up to this one
  const int after_;
  const int main_;
  const std::array<int, 2> stages_;
  std::array<int, 2> forwards_{};
  std::array<int, 2> backwards_{};
  std::vector<Action> delayed_;
  std::size_t next_delayed_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace

Schedule dualpipev(PipelineSize size) {
  checked("dualpipev", size);
  if (size.micro_batches < 2 * size.ranks) {
    throw InvalidArgument(fmt::format(
        "schedule dualpipev: {} micro-batches on {} ranks; it needs m >= 2p = {}{}",
        size.micro_batches, size.ranks, 2 * size.ranks,
        size.micro_batches < 2 ? std::string()
                               : fmt::format(", or at most {} ranks", size.micro_batches / 2)));
  }
  return in_v_placement("dualpipev", size, [&](int rank) { return Order(rank, size).run(); });
}

}  // namespace lockflight::schedule
