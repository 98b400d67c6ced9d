// Orders made in the order of time: whenever a rank is free, a rule says what it runs next.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "lockflight/core/random.h"
#include "schedule/order_clock.h"

namespace lockflight::schedule {

struct ListRule {
  enum class Choice : std::uint8_t {
    deepest,  // of several stages the last one
    oldest,   // the lowest micro-batch
    groups,   // as many micro-batches as there are ranks go through all stages of a rank first
  };

  /// The most micro-batches that a stage keeps for their I, as a multiple of those that are on
  /// their way from its F to its I if nothing waits, and no rank runs more often than the slowest.
  double depth = std::numeric_limits<double>::infinity();
  /// A W runs only if what the rank waits for comes no earlier than this share of W before its end.
  double patience = 0;
  /// So many W are put off, before they go ahead of F.
  int backlog = std::numeric_limits<int>::max();
  bool forwards_first = false;  ///< F ahead of I
  bool cautious = true;         ///< else orders may be stuck: a forward takes any memory there is
  Choice choice = Choice::deepest;
  double noise = 0;  ///< the share of decisions that are left to chance
};

/// Makes orders that are within the memory limits. With a cautious rule they are never stuck: a
/// forward may only take memory that leaves the oldest micro-batch enough to go on to its end, as
/// in Dijkstra's banker's algorithm, if one micro-batch fits on each rank. Orders that are stuck
/// lack actions.
class ListOrders {
 public:
  explicit ListOrders(const SearchProblem& problem);

  Order make(const ListRule& rule, Random& random);

  /// Begins as a known order, of F, I and W: with the first `kept[rank]` actions of every rank.
  /// May be stuck before its end if these take memory in another way than this class does.
  Order make(const ListRule& rule, Random& random, const Order& known,
             const std::vector<std::size_t>& kept);

 private:
  struct StageState {
    int forwards = 0;
    int input_gradients = 0;
    int weight_gradients = 0;
  };
  struct RankState {
    double free = 0;
    std::vector<double> ends;
    std::int64_t for_input_gradients = 0;   // bytes that are kept until I
    std::int64_t for_weight_gradients = 0;  // and until W
    std::int64_t put_off = 0;               // W
    std::int64_t headroom = 0;              // the most that an I takes more than it gives back
    std::int64_t most_kept = 0;
  };
  // Of an F or I: no stage if there is none.
  struct Candidate {
    Turn turn{.stage = -1};
    double arrival = kNever;
  };
  struct Wake {
    double time;
    int rank;

    friend bool operator>(const Wake& a, const Wake& b) {
      return std::pair(a.time, a.rank) > std::pair(b.time, b.rank);
    }
  };

  void reset(const ListRule& rule);
  std::int64_t most_kept(int rank, double depth) const;
  Order run(Random& random);
  void decide(int rank, double now, Random& random);
  void repeat(int rank, double now);
  bool decide_by_chance(int rank, double now, Random& random);
  void consider(Candidate& best, double& next, const Turn& turn, int rank, double now) const;
  bool before(const Turn& a, const Turn& b) const;
  std::pair<int, int> rank_in_groups(const Turn& turn) const;
  double arrival(const Turn& turn, int rank) const;
  bool may_forward(int stage, int rank) const;
  bool has_room(const Turn& turn, int rank) const;
  int stage_of_weight_gradient(int rank) const;
  void commit(const Turn& turn, int rank, double now);
  int number(const Turn& turn) const;

  const SearchProblem& problem_;
  const Ways ways_;
  const std::vector<SavedBytes> saved_;
  std::vector<double> round_trip_;  // by stage: micro-batches between F and I
  ListRule rule_;
  const Order* known_ = nullptr;
  std::vector<std::size_t> kept_;  // by rank
  Order order_;
  std::vector<StageState> stages_;
  std::vector<RankState> ranks_;
  std::vector<double> made_;  // by way and micro-batch; kNever: not yet
  std::vector<double> way_free_;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;
};

}  // namespace lockflight::schedule
