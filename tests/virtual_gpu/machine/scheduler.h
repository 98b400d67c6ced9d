// Runs what streams hold, one operation at a time, on whichever thread comes along.
//
// An operation can run when it is at the head of its stream, everything it comes after has run, and
// it says that it is ready.  Which of those that can is a matter of the machine's order.  Threads
// of the program run operations while they ask or wait; a thread of the machine's own runs them if
// nobody else does, and says so if nothing can ever run again.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "virtual_gpu/machine/config.h"
#include "virtual_gpu/machine/stream.h"

namespace virtual_gpu {

class Machine;

class Scheduler {
 public:
  Scheduler(Machine& machine, const Order& order) : machine_(machine) { set_order(order); }

  void set_order(const Order& order);
  /// In which order a launch's threads run.
  std::uint64_t thread_order();
  /// Whether a call may run operations that happen to be ready, and how many.
  int whim();
  void add(Stream* stream) { streams_.push_back(stream); }

  /// Puts it at the end of the stream, after what the host knows to have run.  nullptr if the
  /// stream is being captured.
  OperationPointer enqueue(Stream& stream, Operation operation);

  /// What else a replacement library does behind the program's back.
  struct Extension {
    std::function<void()> proceed;     ///< called before operations are chosen
    std::function<void()> deadlocked;  ///< whatever still waits is to fail
    std::function<void()> ended;       ///< the process ends: reports what was left behind
  };
  void add(Extension extension) { extensions_.push_back(std::move(extension)); }
  const std::vector<Extension>& extensions() const { return extensions_; }
  /// Something happened that others may have waited for.
  void progress() { ++progress_; }

  /// Runs one operation.  False: none can run.
  bool step();
  /// Runs operations until none can run, at most `most`; how many.
  int pump(int most);

  /// Runs operations, and lets others do so, until `status` is not cudaErrorNotReady any more.
  /// cudaErrorLaunchTimeout: that is never.
  cudaError_t wait(const std::function<cudaError_t()>& status, const std::string& what);
  /// Whether the operation has run; the host then knows all that it knows.
  cudaError_t query(const OperationPointer& operation);
  /// The same for all operations of a stream.
  cudaError_t query(const Stream& stream);
  /// The same for all streams of a device; for those of all devices if it is -1.
  cudaError_t query(int device);
  /// The same, but whatever failed counts as over.
  cudaError_t idle(int device);
  /// From here on the host comes after everything that `clock` covers.
  void learn(const Clock& clock) { host_.join(clock); }
  const Clock& host() const { return host_; }

  /// Nothing of what the stream holds runs any more; whoever asks gets `code`.
  void abandon(Stream& stream, cudaError_t code);
  void abandon(int device, cudaError_t code);
  void drop_if_over(Stream* stream);

  /// Looks whether anything can still happen; called by the machine's own thread now and then.
  void watch();
  /// How the program waits, for reports: one line a stream and a thread.
  std::string wait_graph() const;
  /// Starts the machine's own thread; stops it.
  void start_watching();
  void stop_watching();

 private:
  static bool can_start(const Stream& stream);
  static void start(Operation& operation);
  static bool can_run(Operation& operation);
  Stream* choose();
  void run(Stream& stream);
  void declare_deadlock();
  static std::string waits_for(const Operation& operation);

  Machine& machine_;
  Order order_;
  std::mt19937_64 random_;
  std::vector<Stream*> streams_;
  std::vector<Stream*> candidates_;
  std::vector<Extension> extensions_;
  Clock host_;
  std::uint64_t numbers_ = 0;
  std::uint64_t progress_ = 0;  // operations enqueued and run

  std::uint64_t seen_progress_ = 0;
  std::chrono::milliseconds quiet_{0};
  std::uint64_t deadlocks_ = 0;
  bool watching_ = false;
};

}  // namespace virtual_gpu
