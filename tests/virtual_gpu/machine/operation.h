// What is enqueued on streams.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "virtual_gpu/machine/clock.h"

namespace virtual_gpu {

struct Stream;
struct Operation;
using OperationPointer = std::shared_ptr<Operation>;

/// Bytes that an operation touches.  Host memory is not looked at.
struct Access {
  const void* begin;
  std::size_t bytes;
  bool writes;
  bool direct =
      false;  ///< by threads of the device, so that other devices' memory needs peer access
};

struct Operation {
  const std::string* name;  ///< lives for ever, see intern()
  std::vector<Access> accesses;
  std::vector<OperationPointer> after;  ///< runs after these, besides those before it on its stream
  std::vector<OperationPointer> behind;  ///< the same, but nothing is proved by it

  /// Called once, when it has come to the head of its stream and all of `after` have run.
  std::function<void(Operation&)> start;
  /// Whether it can run, asked after start; nothing: at once.
  std::function<bool(Operation&)> ready;
  std::function<void(Operation&)> run;
  /// What it waits for while it is not ready, for the report of a deadlock.
  std::function<std::string()> waits_for;
  bool without_lock = false;    ///< `run` is the program's own code
  const void* holds = nullptr;  ///< a graph with this operation keeps this in use

  /// Makes what a graph that holds this operation enqueues; nothing: a copy.
  std::function<Operation()> again;
  /// Called when it has its place in the order of its stream.
  std::function<void(const OperationPointer&)> enqueued;

  // Kept by the scheduler.
  enum class State { queued, started, running, done, failed };
  State state = State::queued;
  Stream* stream = nullptr;
  std::uint64_t number = 0;    ///< in order of enqueueing
  std::uint32_t position = 0;  ///< on its stream, from 1
  std::uint32_t time = 0;      ///< on the stream's component of clocks
  Clock clock;                 ///< at first what its host knew, then what it knows itself

  /// Lets go of what is not needed any more when it has ended.
  void release() {
    after.clear();
    behind.clear();
    start = nullptr;
    ready = nullptr;
    run = nullptr;
    waits_for = nullptr;
    again = nullptr;
  }
  bool ended() const { return state == State::done || state == State::failed; }
};

/// One copy of each text, for ever.
const std::string* intern(const std::string& text);

}  // namespace virtual_gpu
