#include "schedule/search_bound.h"

#include <algorithm>
#include <cstddef>
#include <queue>
#include <utility>
#include <vector>

#include "schedule/order_clock.h"

namespace lockflight::schedule {
namespace {

struct Job {
  double head = 0;
  double time = 0;
  double tail = 0;
};

// The F, I and W of a stage for one micro-batch.
struct Jobs {
  Job forward;
  Job input_gradient;
  Job weight_gradient;
};

class HeadsAndTails {
 public:
  explicit HeadsAndTails(const SearchProblem& problem)
      : problem_(problem),
        ways_(problem),
        stages_(problem.placement.stages()),
        jobs_(static_cast<std::size_t>(stages_) * problem.micro_batches) {
    for (int stage = 0; stage < stages_; ++stage) {
      const StageTimes& times = problem.times[stage];
      for (int k = 0; k < problem.micro_batches; ++k) {
        at(stage, k).forward.time = times.forward;
        at(stage, k).input_gradient.time = times.input_gradient;
        at(stage, k).weight_gradient.time = times.weight_gradient;
      }
    }
    set_heads();
    set_tails();
  }

  std::vector<Job> jobs_of(int rank) {
    std::vector<Job> jobs;
    for (const int stage : problem_.placement.stages_of(rank)) {
      for (int k = 0; k < problem_.micro_batches; ++k) {
        const Jobs& here = at(stage, k);
        jobs.insert(jobs.end(), {here.forward, here.input_gradient, here.weight_gradient});
      }
    }
    return jobs;
  }

 private:
  Jobs& at(int stage, int micro_batch) {
    return jobs_[static_cast<std::size_t>(stage) * problem_.micro_batches + micro_batch];
  }

  static void follow(Job& later, const Job& earlier, double transfer = 0) {
    later.head = std::max(later.head, earlier.head + earlier.time + transfer);
  }
  static void precede(Job& earlier, const Job& later, double transfer = 0) {
    earlier.tail = std::max(earlier.tail, later.tail + later.time + transfer);
  }

  void set_heads() {
    for (int k = 0; k < problem_.micro_batches; ++k) {
      for (int stage = 0; stage < stages_; ++stage) {
        Job& job = at(stage, k).forward;
        if (stage > 0) {
          follow(job, at(stage - 1, k).forward, ways_.time(stage - 1));
        }
        if (k > 0) {
          follow(job, at(stage, k - 1).forward);
        }
      }
      for (int stage = stages_ - 1; stage >= 0; --stage) {
        Jobs& jobs = at(stage, k);
        follow(jobs.input_gradient, jobs.forward);
        if (stage + 1 < stages_) {
          follow(jobs.input_gradient, at(stage + 1, k).input_gradient,
                 ways_.time(stages_ + stage + 1));
        }
        if (k > 0) {
          follow(jobs.input_gradient, at(stage, k - 1).input_gradient);
          follow(jobs.weight_gradient, at(stage, k - 1).weight_gradient);
        }
        follow(jobs.weight_gradient, jobs.input_gradient);
      }
    }
  }

  void set_tails() {
    for (int k = problem_.micro_batches - 1; k >= 0; --k) {
      const bool last = k + 1 == problem_.micro_batches;
      for (int stage = 0; stage < stages_; ++stage) {
        Jobs& jobs = at(stage, k);
        if (!last) {
          precede(jobs.weight_gradient, at(stage, k + 1).weight_gradient);
          precede(jobs.input_gradient, at(stage, k + 1).input_gradient);
        }
        precede(jobs.input_gradient, jobs.weight_gradient);
        if (stage > 0) {
          precede(jobs.input_gradient, at(stage - 1, k).input_gradient,
                  ways_.time(stages_ + stage));
        }
      }
      for (int stage = stages_ - 1; stage >= 0; --stage) {
        Jobs& jobs = at(stage, k);
        precede(jobs.forward, jobs.input_gradient);
        if (stage + 1 < stages_) {
          precede(jobs.forward, at(stage + 1, k).forward, ways_.time(stage));
        }
        if (!last) {
          precede(jobs.forward, at(stage, k + 1).forward);
        }
      }
    }
  }

  const SearchProblem& problem_;
  const Ways ways_;
  const int stages_;
  std::vector<Jobs> jobs_;
};

// Whenever a job is there, the one with the longest tail runs.
double one_rank(std::vector<Job> jobs) {
  std::ranges::sort(jobs, {}, &Job::head);
  const auto shorter_tail = [](const Job& a, const Job& b) { return a.tail < b.tail; };
  std::priority_queue<Job, std::vector<Job>, decltype(shorter_tail)> there(shorter_tail);
  double now = 0;
  double last = 0;
  for (std::size_t next = 0; next < jobs.size() || !there.empty();) {
    if (there.empty()) {
      now = std::max(now, jobs[next].head);
    }
    while (next < jobs.size() && jobs[next].head <= now) {
      there.push(jobs[next++]);
    }
    Job job = there.top();
    there.pop();
    const double end = now + job.time;
    if (next < jobs.size() && jobs[next].head < end) {
      job.time = end - jobs[next].head;
      now = jobs[next].head;
      there.push(job);
    } else {
      now = end;
      last = std::max(last, end + job.tail);
    }
  }
  return last;
}

}  // namespace

double lower_bound(const SearchProblem& problem) {
  HeadsAndTails all(problem);
  double bound = 0;
  for (int rank = 0; rank < problem.placement.ranks(); ++rank) {
    bound = std::max(bound, one_rank(all.jobs_of(rank)));
  }
  return bound;
}

}  // namespace lockflight::schedule
