#include "device/cpu/task.h"

#include <utility>

namespace lockflight::cpu {

void TaskQueue::push(Task task) {
  const std::scoped_lock lock(mutex_);
  added_.push_back(std::move(task));
  has_added_.store(true, std::memory_order_release);
}

Task* TaskQueue::head() {
  if (next_ == taken_.size()) {
    if (!has_added_.load(std::memory_order_acquire)) {
      return nullptr;
    }
    taken_.clear();
    next_ = 0;
    const std::scoped_lock lock(mutex_);
    std::swap(taken_, added_);
    has_added_.store(false, std::memory_order_release);
  }
  return &taken_[next_];
}

void TaskQueue::pop() {
  taken_[next_++] = Task{Time{nullptr}, 0};  // frees what the closure holds
  waiting_since.reset();
}

}  // namespace lockflight::cpu
