#include "partition/leximax.h"

#include <algorithm>

namespace lockflight::partition {

// The runs of a set with one more element, one after another; after the last an empty one.
class TimeSet::Cursor {
 public:
  Cursor(const TimeSet& set, Ticks more)
      : at_(set.runs_.data()), end_(at_ + set.runs_.size()), more_(more) {}

  Run next() {
    if (pending_ && (at_ == end_ || at_->time < more_)) {
      pending_ = false;
      return {.time = more_, .count = 1};
    }
    if (at_ == end_) {
      return {.time = 0, .count = 0};
    }
    Run run = *at_++;
    if (pending_ && run.time == more_) {
      pending_ = false;
      ++run.count;
    }
    return run;
  }

 private:
  const Run* at_;
  const Run* end_;
  Ticks more_;
  bool pending_ = true;
};

TimeSet::TimeSet(const TimeSet& base, Ticks more) {
  runs_.reserve(base.runs_.size() + 1);
  Cursor cursor(base, more);
  for (Run run = cursor.next(); run.count > 0; run = cursor.next()) {
    runs_.push_back(run);
  }
}

std::strong_ordering TimeSet::compare(const TimeSet& a, Ticks more_a, const TimeSet& b,
                                      Ticks more_b, std::int64_t& steps_left) {
  Cursor at_a(a, more_a);
  Cursor at_b(b, more_b);
  while (true) {
    --steps_left;
    const Run run_a = at_a.next();
    const Run run_b = at_b.next();
    if (run_a.count == 0 || run_a.time != run_b.time) {
      return run_a.time <=> run_b.time;
    }
    if (run_a.count != run_b.count) {
      return run_a.count <=> run_b.count;
    }
  }
}

}  // namespace lockflight::partition
