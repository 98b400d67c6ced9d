#include "lockflight/schedule/zb_v.h"

#include <algorithm>
#include <array>
#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {
namespace {

using enum ActionKind;

constexpr int kDown = 0;  // the rank's stage on the way down
constexpr int kUp = 1;

// The order of one rank. Each kind of action of each of its two stages counts its micro-batches by
// itself, so only the kinds' order is to be told.
class Order {
 public:
  Order(int rank, PipelineSize size)
      : rank_(rank),
        ranks_(size.ranks),
        micro_batches_(size.micro_batches),
        // The phases are made for at least that many; those that are not there are left out.
        forwards_(std::max(size.micro_batches, 2 * size.ranks - 1)) {}

  std::vector<Action> run() {
    fill();
    keep_up();
    drain();
    return std::move(order_);
  }

 private:
  // Until the first micro-batch is back here, and as long as it takes to the top of the V.
  void fill() {
    for (int i = 0; i < 2 * (ranks_ - rank_) - 1; ++i) {
      add(forward, kDown);
    }
    for (int i = 0; i < rank_; ++i) {
      add(forward, kUp);
      add(forward, kDown);
    }
    for (int i = 0; i < ranks_ - rank_; ++i) {
      add(forward, kUp);
      add_backward(kUp);
    }
  }

  void keep_up() {
    while (done(forward, kUp) < forwards_) {
      if (done(forward, kDown) < forwards_) {
        add(forward, kDown);
      }
      add_backward(kDown);
      add(forward, kUp);
      add_backward(kUp);
    }
  }

  // Gradients that other ranks wait for go first.
  void drain() {
    for (int i = 0; i < rank_; ++i) {
      add(input_gradient, kDown);
      add(input_gradient, kUp);
    }
    for (int i = 0; i < ranks_ - rank_; ++i) {
      add(input_gradient, kDown);
      add(weight_gradient, kDown);
    }
    for (const int way : {kUp, kDown}) {
      while (done(weight_gradient, way) < forwards_) {
        add(weight_gradient, way);
      }
    }
  }

  void add_backward(int way) {
    add(input_gradient, way);
    add(weight_gradient, way);
  }

  void add(ActionKind kind, int way) {
    const int micro_batch = done(kind, way)++;
    if (micro_batch < micro_batches_) {
      order_.push_back({way == kDown ? rank_ : 2 * ranks_ - 1 - rank_, kind, micro_batch});
    }
  }

  int& done(ActionKind kind, int way) { return done_[way][static_cast<int>(kind)]; }

  const int rank_;
  const int ranks_;
  const int micro_batches_;
  const int forwards_;
  std::array<std::array<int, 3>, 2> done_{};  // of F, I and W, how many
  std::vector<Action> order_;
};

}  // namespace

Schedule zb_v(PipelineSize size) {
  return in_v_placement("zb-v", size,
                        [&](int rank) { return one_by_one(Order(rank, size).run()); });
}

}  // namespace lockflight::schedule
