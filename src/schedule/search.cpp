#include "lockflight/schedule/search.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "schedule/anneal.h"
#include "schedule/list_order.h"
#include "schedule/order.h"
#include "schedule/order_clock.h"
#include "schedule/search_bound.h"

namespace lockflight::schedule {
namespace {

constexpr double kRounding = 1e-9;          // relative: sums in different orders
constexpr std::size_t kStarts = 6;          // orders that annealing begins from
constexpr int kRounds = 12;                 // of annealing
constexpr std::int64_t kShareOfLists = 60;  // one of so many orders is made anew
constexpr std::array kNoises = {0.0, 0.02, 0.1, 0.3};

void check_length(std::string_view what, std::size_t length, std::size_t expected, bool optional) {
  if (length != expected && !(optional && length == 0)) {
    throw InvalidArgument(fmt::format("search: {} {}, expected {}", length, what, expected));
  }
}

void check_value(std::string_view what, double value) {
  if (!(value >= 0) || value == std::numeric_limits<double>::infinity()) {
    throw InvalidArgument(
        fmt::format("search: {} is {}; it must be a number of at least 0", what, value));
  }
}

void check(const SearchProblem& problem) {
  const auto stages = static_cast<std::size_t>(problem.placement.stages());
  if (stages == 0 || problem.micro_batches < 1 || problem.receive_ahead < 0) {
    throw InvalidArgument(fmt::format(
        "search: {} stages, {} micro-batches, receives {} actions ahead; there must be at least "
        "one stage and micro-batch, and receives 0 or more ahead",
        stages, problem.micro_batches, problem.receive_ahead));
  }
  check_length("times of stages", problem.times.size(), stages, false);
  check_length("transfers forward", problem.forward_transfers.size(), stages - 1, true);
  check_length("transfers backward", problem.backward_transfers.size(), stages - 1, true);
  check_length("sizes of what is saved", problem.saved.size(), stages, true);
  check_length("memory limits", problem.memory_limits.size(),
               static_cast<std::size_t>(problem.placement.ranks()), true);
  for (const StageTimes& times : problem.times) {
    check_value("the time of a forward", times.forward);
    check_value("the time of an input gradient", times.input_gradient);
    check_value("the time of a weight gradient", times.weight_gradient);
  }
  for (const auto* transfers : {&problem.forward_transfers, &problem.backward_transfers}) {
    for (const double time : *transfers) {
      check_value("the time of a transfer", time);
    }
  }
  for (const SavedBytes& saved : problem.saved) {
    check_value("what a stage saves", static_cast<double>(saved.after_forward));
    check_value("what a stage saves", static_cast<double>(saved.after_input_gradient));
  }
}

// One micro-batch after the other takes the least memory.
void check_memory(const SearchProblem& problem) {
  const std::vector<SavedBytes> saved = saved_bytes(problem);
  for (int rank = 0; rank < problem.placement.ranks(); ++rank) {
    std::int64_t bytes = 0;
    std::int64_t more = 0;
    for (const int stage : problem.placement.stages_of(rank)) {
      bytes += saved[stage].after_forward;
      more = std::max(more, saved[stage].after_input_gradient - saved[stage].after_forward);
    }
    if (bytes + more > memory_limit(problem, rank)) {
      throw PlanError(fmt::format(
          "no order fits: rank {} saves {} bytes for one micro-batch, the least that any order "
          "takes, but has a limit of {}",
          rank, bytes + more, memory_limit(problem, rank)));
    }
  }
}

std::vector<ListRule> list_rules(bool several_stages) {
  using Choice = ListRule::Choice;
  constexpr double kAll = std::numeric_limits<double>::infinity();
  constexpr int kNoBacklog = std::numeric_limits<int>::max();
  std::vector<Choice> choices = {Choice::deepest};
  if (several_stages) {
    choices.insert(choices.end(), {Choice::oldest, Choice::groups});
  }
  std::vector<ListRule> rules;
  for (const double depth : {0.8, 1.0, 1.2, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, kAll}) {
    for (const double patience : {0.0, 0.5, 1.0}) {
      for (const int backlog : {0, 2, kNoBacklog}) {
        for (const bool forwards_first : {false, true}) {
          for (const Choice choice : choices) {
            rules.push_back({.depth = depth,
                             .patience = patience,
                             .backlog = backlog,
                             .forwards_first = forwards_first,
                             .choice = choice});
          }
        }
      }
    }
  }
  return rules;
}

class Search {
 public:
  Search(const SearchProblem& problem, const SearchEffort& effort)
      : problem_(problem),
        clock_(problem),
        rules_(problem),
        lists_(problem),
        bound_(lower_bound(problem)),
        enough_(bound_ * (1 + kRounding)) {
    const std::int64_t actions =
        std::int64_t{3} * problem.placement.stages() * problem.micro_batches;
    orders_ = std::min(effort.orders, std::max<std::int64_t>(1, effort.actions / actions));
  }

  FoundOrder run() {
    add_generators();
    add_lists();
    anneal_starts();
    join(starts_.front());
    const TimedOrder& best = starts_.front();
    return {.schedule = schedule_of(best.order, problem_),
            .makespan = best.makespan,
            .lower_bound = bound_};
  }

 private:
  bool done() const { return !starts_.empty() && starts_.front().makespan <= enough_; }

  // Keeps the best different ones, best first.
  void add(Order order) {
    --orders_;
    if (!is_whole(order)) {
      return;
    }
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      if (!rules_.allow(static_cast<int>(rank), order[rank])) {
        return;
      }
    }
    const double makespan = clock_.run(order);
    const auto place = std::ranges::lower_bound(starts_, makespan, {}, &TimedOrder::makespan);
    if (makespan < kNever && place - starts_.begin() < static_cast<std::ptrdiff_t>(kStarts) &&
        (place == starts_.end() || place->order != order)) {
      starts_.insert(place, {.order = std::move(order), .makespan = makespan});
      starts_.resize(std::min(starts_.size(), kStarts));
    }
  }

  // Lists may be stuck.
  bool is_whole(const Order& order) const {
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      std::size_t actions = 0;
      for (const Turn& turn : order[rank]) {
        actions += turn.kind == ActionKind::backward ? 2 : 1;
      }
      const std::size_t stages = problem_.placement.stages_of(static_cast<int>(rank)).size();
      if (actions < 3 * stages * static_cast<std::size_t>(problem_.micro_batches)) {
        return false;
      }
    }
    return true;
  }

  void add_generators() {
    const auto stages = static_cast<std::size_t>(problem_.placement.stages());
    const std::size_t ranks = problem_.placement.ranks();
    for (const ScheduleInfo& info : schedules()) {
      try {
        const Schedule schedule = info.make({.ranks = static_cast<int>(ranks),
                                             .micro_batches = problem_.micro_batches,
                                             .stages_per_rank = static_cast<int>(stages / ranks)});
        auto order = order_of(schedule);
        if (order && has_backward(schedule) && schedule.placement == problem_.placement) {
          add(std::move(*order));
        }
      } catch (const InvalidArgument&) {
        continue;  // it has no order of this size
      }
    }
  }

  void add_lists() {
    std::vector<std::pair<double, ListRule>> ranking;
    for (const ListRule& rule :
         list_rules(problem_.placement.stages() > problem_.placement.ranks())) {
      if (done()) {
        return;
      }
      Order order = lists_.make(rule, random_);
      ranking.emplace_back(clock_.run(order), rule);
      add(std::move(order));
    }
    std::ranges::stable_sort(ranking, {}, [](const auto& entry) { return entry.first; });
    for (std::size_t i = 0; i < ranking.size() / 4; ++i) {
      good_rules_.push_back(ranking[i].second);
    }
    vary(orders_ / kShareOfLists);
  }

  ListRule any_rule() {
    ListRule rule = good_rules_[random_.next_below(good_rules_.size())];
    rule.noise = kNoises[random_.next_below(kNoises.size())];
    rule.cautious = random_.next_below(3) > 0;
    return rule;
  }

  // New ends for good orders, and new orders.
  void vary(std::int64_t count) {
    for (std::int64_t i = 0; i < count && !done(); ++i) {
      if (i % 4 == 0) {
        add(lists_.make(any_rule(), random_));
        continue;
      }
      const TimedOrder& start = starts_[random_.next_below(starts_.size())];
      const Order known = split(start.order);
      clock_.run(known);
      const auto kept = clock_.over_by(random_.next_uniform() * start.makespan);
      add(lists_.make(any_rule(), random_, known, kept));
    }
  }

  // With an I and a W for each B.
  static Order split(Order order) {
    for (Row& row : order) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i].kind == ActionKind::backward) {
          row[i].kind = ActionKind::input_gradient;
          row.insert(row.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                     {row[i].stage, ActionKind::weight_gradient});
        }
      }
    }
    return order;
  }

  void anneal_starts() {
    constexpr std::array kHeats = {0.005, 0.02, 0.05};
    const std::int64_t orders = std::max<std::int64_t>(1, orders_ / kRounds);
    for (int round = 0; round < kRounds && !done(); ++round) {
      const TimedOrder start = starts_[static_cast<std::size_t>(round) % starts_.size()];
      add(anneal(problem_, start,
                 {.orders = orders,
                  .heat = kHeats[static_cast<std::size_t>(round) % kHeats.size()],
                  .enough = enough_},
                 random_)
              .order);
      vary(orders / kShareOfLists);
    }
  }

  // An I and its W that follow each other become a B where that holds nothing up: stage by stage,
  // or, where that is too much, half of a stage's micro-batches.
  void join(TimedOrder& best) {
    for (int stage = 0; stage < problem_.placement.stages(); ++stage) {
      join(best, stage, 0, problem_.micro_batches);
    }
  }

  void join(TimedOrder& best, int stage, int begin, int end) {
    Order joined = best.order;
    Row& row = joined[problem_.placement.rank_of(stage)];
    if (!join(row, stage, begin, end)) {
      return;
    }
    const double makespan = clock_.run(joined);
    if (makespan <= best.makespan) {
      best = {.order = std::move(joined), .makespan = makespan};
    } else if (end - begin > 1) {
      const int middle = begin + (end - begin) / 2;
      join(best, stage, begin, middle);
      join(best, stage, middle, end);
    }
  }

  // Of the micro-batches begin … end - 1 of a stage; false if there are none to join.
  static bool join(Row& row, int stage, int begin, int end) {
    Row joined;
    int input_gradients = 0;
    int weight_gradients = 0;
    for (const Turn& turn : row) {
      const bool mine = turn.stage == stage;
      const bool joins = mine && turn.kind == ActionKind::weight_gradient &&
                         weight_gradients + 1 == input_gradients &&
                         joined.back() == Turn{stage, ActionKind::input_gradient} &&
                         weight_gradients >= begin && weight_gradients < end;
      if (joins) {
        joined.back().kind = ActionKind::backward;
      } else {
        joined.push_back(turn);
      }
      const bool whole = turn.kind == ActionKind::backward;
      input_gradients += mine && (whole || turn.kind == ActionKind::input_gradient) ? 1 : 0;
      weight_gradients += mine && (whole || turn.kind == ActionKind::weight_gradient) ? 1 : 0;
    }
    const bool changed = joined.size() < row.size();
    row = std::move(joined);
    return changed;
  }

  const SearchProblem& problem_;
  OrderClock clock_;
  RowRules rules_;
  ListOrders lists_;
  std::vector<ListRule> good_rules_;
  const double bound_;
  const double enough_;
  std::int64_t orders_ = 0;  // that may still be tried
  Random random_{{.seed = 1}};
  std::vector<TimedOrder> starts_;  // the best so far, best first
};

}  // namespace

bool is_auto(std::string_view name) {
  return std::ranges::equal(name, std::string_view("auto"),
                            [](unsigned char a, char b) { return std::tolower(a) == b; });
}

FoundOrder search(const SearchProblem& problem, const SearchEffort& effort) {
  check(problem);
  check_memory(problem);
  return Search(problem, effort).run();
}

double makespan(const Schedule& schedule, const SearchProblem& problem) {
  check(problem);
  const auto order = order_of(schedule);
  if (!order || schedule.placement != problem.placement ||
      schedule.micro_batches != problem.micro_batches) {
    throw InvalidArgument(
        fmt::format("schedule {} is not one of the problem: F, I, W and B one after the other with "
                    "micro-batches in ascending order, the same placement and micro-batches",
                    schedule.name));
  }
  const double makespan = OrderClock(problem).run(*order);
  if (makespan == kNever) {
    throw PlanError(fmt::format(
        "schedule {}: its order makes ranks wait for each other in a circle", schedule.name));
  }
  return makespan;
}

}  // namespace lockflight::schedule
