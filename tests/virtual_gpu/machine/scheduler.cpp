#include "virtual_gpu/machine/scheduler.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {
namespace {

constexpr auto kNap = std::chrono::microseconds(50);

}  // namespace

void Scheduler::set_order(const Order& order) {
  order_ = order;
  random_.seed(order.seed);
}

std::uint64_t Scheduler::thread_order() {
  switch (order_.kind) {
    case Order::Kind::fifo:
      return 0;
    case Order::Kind::lifo:
      return 1;
    case Order::Kind::random:
      break;
  }
  return random_();
}

int Scheduler::whim() {
  return order_.kind == Order::Kind::random ? static_cast<int>(random_() % 3) : 0;
}

// The default stream waits for all others of its device that block, and they for it.
// Source: CUDA Runtime API, "Stream synchronization behavior".
OperationPointer Scheduler::enqueue(Stream& stream, Operation operation) {
  start_watching();
  auto made = std::make_shared<Operation>(std::move(operation));
  made->stream = &stream;
  made->number = ++numbers_;
  made->position = ++stream.enqueued;
  made->time = stream.begin + made->position;
  made->clock = host_;
  Stream* const null = machine_.devices[stream.device].default_stream;
  if (!stream.non_blocking) {
    for (const Stream* other : streams_) {
      const bool meets = &stream == null ? !other->non_blocking : other == null;
      if (other->device == stream.device && other != &stream && meets && other->last) {
        made->after.push_back(other->last);
      }
    }
  }
  if (stream.failed != cudaSuccess) {
    made->state = Operation::State::failed;
  } else {
    stream.queue.push_back(made);
  }
  stream.last = made;
  ++progress_;
  return made;
}

bool Scheduler::can_start(const Stream& stream) {
  const Operation& head = *stream.queue.front();
  const auto done = [](const OperationPointer& o) { return o->state == Operation::State::done; };
  const auto ended = [](const OperationPointer& o) { return o->ended(); };
  return std::ranges::all_of(head.after, done) && std::ranges::all_of(head.behind, ended);
}

void Scheduler::start(Operation& operation) {
  operation.state = Operation::State::started;
  operation.clock.join(operation.stream->clock);
  for (const OperationPointer& before : operation.after) {
    operation.clock.join(before->clock);
  }
  operation.clock.set(operation.stream->index, operation.time);
  if (operation.start) {
    operation.start(operation);
  }
}

bool Scheduler::can_run(Operation& operation) {
  return operation.state == Operation::State::started &&
         (!operation.ready || operation.ready(operation));
}

Stream* Scheduler::choose() {
  for (const Extension& extension : extensions_) {
    extension.proceed();
  }
  for (Stream* stream : streams_) {
    if (stream->queue.empty()) {
      continue;
    }
    const OperationPointer& head = stream->queue.front();
    const auto failed = std::ranges::find(head->after, Operation::State::failed,
                                          [](const OperationPointer& o) { return o->state; });
    if (failed != head->after.end()) {
      const cudaError_t code = (*failed)->stream->failed;
      abandon(*stream, code == cudaSuccess ? cudaErrorLaunchFailure : code);
    } else if (head->state == Operation::State::queued && can_start(*stream)) {
      start(*head);
    }
  }
  candidates_.clear();
  for (Stream* stream : streams_) {
    if (!stream->queue.empty() && can_run(*stream->queue.front())) {
      candidates_.push_back(stream);
    }
  }
  if (candidates_.empty()) {
    return nullptr;
  }
  const auto number = [](const Stream* stream) { return stream->queue.front()->number; };
  switch (order_.kind) {
    case Order::Kind::fifo:
      return *std::ranges::min_element(candidates_, {}, number);
    case Order::Kind::lifo:
      return *std::ranges::max_element(candidates_, {}, number);
    case Order::Kind::random:
      break;
  }
  return candidates_[random_() % candidates_.size()];
}

bool Scheduler::step() {
  Stream* const stream = choose();
  if (stream == nullptr) {
    return false;
  }
  run(*stream);
  return true;
}

void Scheduler::run(Stream& stream) {
  const OperationPointer operation = stream.queue.front();
  operation->state = Operation::State::running;
  for (const Access& access : operation->accesses) {
    machine_.check(*operation, access);
  }
  if (operation->run) {
    if (operation->without_lock) {
      const Unlock unlock;
      operation->run(*operation);
    } else {
      operation->run(*operation);
    }
  }
  ++progress_;
  operation->release();
  if (operation->state == Operation::State::failed) {
    return;  // it was abandoned meanwhile
  }
  operation->state = Operation::State::done;
  stream.clock = operation->clock;
  stream.queue.pop_front();
  drop_if_over(&stream);
}

int Scheduler::pump(int most) {
  int count = 0;
  while (count < most && step()) {
    ++count;
  }
  return count;
}

void Scheduler::drop_if_over(Stream* stream) {
  if (stream->destroyed && stream->queue.empty() && std::erase(streams_, stream) > 0) {
    machine_.retire(*stream);
  }
}

void Scheduler::abandon(Stream& stream, cudaError_t code) {
  for (const OperationPointer& operation : stream.queue) {
    if (operation->state != Operation::State::running) {
      operation->release();
    }
    operation->state = Operation::State::failed;
  }
  stream.queue.clear();
  stream.failed = code;
}

void Scheduler::abandon(int device, cudaError_t code) {
  for (Stream* stream : streams_) {
    if (stream->device == device) {
      abandon(*stream, code);
    }
  }
}

cudaError_t Scheduler::query(const OperationPointer& operation) {
  if (!operation) {
    return cudaSuccess;
  }
  if (operation->state == Operation::State::failed) {
    const cudaError_t code = operation->stream->failed;
    return code == cudaSuccess ? cudaErrorLaunchFailure : code;
  }
  if (operation->state != Operation::State::done) {
    return cudaErrorNotReady;
  }
  learn(operation->clock);
  return cudaSuccess;
}

cudaError_t Scheduler::query(const Stream& stream) {
  if (stream.failed != cudaSuccess) {
    return stream.failed;
  }
  if (!stream.queue.empty()) {
    return cudaErrorNotReady;
  }
  learn(stream.clock);
  return cudaSuccess;
}

cudaError_t Scheduler::query(int device) {
  cudaError_t worst = cudaSuccess;
  for (const Stream* stream : streams_) {
    const bool gone = stream->destroyed && stream->queue.empty();
    if (!gone && (device == -1 || stream->device == device)) {
      const cudaError_t status = query(*stream);
      worst = worst == cudaSuccess || status == cudaErrorNotReady ? status : worst;
    }
  }
  return worst;
}

cudaError_t Scheduler::idle(int device) {
  return query(device) == cudaErrorNotReady ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t Scheduler::wait(const std::function<cudaError_t()>& status, const std::string& what) {
  start_watching();
  const std::uint64_t deadlocks = deadlocks_;
  for (;;) {
    const cudaError_t now = status();
    if (now != cudaErrorNotReady) {
      machine_.hosts.act();
      return now;
    }
    if (step()) {
      continue;
    }
    if (deadlocks_ != deadlocks) {
      return cudaErrorLaunchTimeout;
    }
    machine_.hosts.ask("waits in " + what);
    const Unlock unlock;
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace virtual_gpu
