// When an order ends, and what holds it up.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "schedule/duration.h"
#include "schedule/order.h"

namespace lockflight::schedule {

/// What an order that makes ranks wait in a circle takes.
inline constexpr double kNever = std::numeric_limits<double>::infinity();

/// What passes between neighbouring stages.  Ways are numbered: way s is the output of stage s,
/// way stages + s the gradient of the input of stage s.
class Ways {
 public:
  static constexpr int kNone = -1;

  explicit Ways(const SearchProblem& problem);

  int count() const { return static_cast<int>(time_.size()); }
  int input_of(const Turn& turn) const {
    switch (turn.kind) {
      case ActionKind::forward:
        return turn.stage == 0 ? kNone : turn.stage - 1;
      case ActionKind::weight_gradient:
        return kNone;
      default:
        return turn.stage + 1 == stages_ ? kNone : stages_ + turn.stage + 1;
    }
  }
  int output_of(const Turn& turn) const {
    switch (turn.kind) {
      case ActionKind::forward:
        return turn.stage + 1 == stages_ ? kNone : turn.stage;
      case ActionKind::weight_gradient:
        return kNone;
      default:
        return turn.stage == 0 ? kNone : stages_ + turn.stage;
    }
  }
  /// Whether it goes from one rank to another; if so, how long that takes, and to which.
  bool crosses(int way) const { return crosses_[way] != 0; }
  double time(int way) const { return time_[way]; }
  int taker(int way) const { return taker_[way]; }

 private:
  int stages_;
  std::vector<char> crosses_;
  std::vector<double> time_;
  std::vector<int> taker_;
};

/// An action's place in an order.
struct Place {
  int rank = 0;
  int position = 0;
};

class OrderClock {
 public:
  explicit OrderClock(const SearchProblem& problem);

  /// The end of the last action, each beginning as early as it can; kNever for a circle.
  double run(const Order& order);

  /// Of the last run, which came to its end: when actions end on average.
  double mean_end() const;
  /// Of it, for every rank: how many actions were over by then.
  std::vector<std::size_t> over_by(double time) const;
  /// Actions without idle time between them that end last, the last one first.
  void find_critical_path(std::vector<Place>& path) const;

 private:
  enum class Cause : std::uint8_t { rank, input, post };

  // What has been made on a way for a micro-batch.
  struct Passage {
    double time = -1;  // not yet
    Place maker;
  };
  // One action that has run.
  struct Run {
    double end = 0;
    Cause cause = Cause::rank;
    Place maker;  // of its input
  };

  void reset(const Order& order);
  bool take(const Turn& turn, int rank);
  bool await_input(const Turn& turn, int rank, int way, double& begin, Run& run);
  void hand_over(int way, int micro_batch, double time, Place maker);
  int& count(const Turn& turn) {
    return turn.kind == ActionKind::forward ? forwards_[turn.stage] : backwards_[turn.stage];
  }

  const SearchProblem& problem_;
  const Ways ways_;
  std::vector<Passage> passages_;       // by way and micro-batch
  std::vector<double> way_free_;        // when the last transfer is over
  std::vector<std::vector<Run>> runs_;  // by rank
  std::vector<int> awaited_;            // by rank: the passage at which it stands
  std::vector<int> forwards_;           // by stage: how many have run
  std::vector<int> backwards_;          // I and B
  std::vector<int> ready_;              // ranks to look at
};

}  // namespace lockflight::schedule
