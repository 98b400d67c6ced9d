// The virtual machine: devices, their memory and streams, and all that is known of the program
// under test.  There is one in a process, behind one lock.
//
// The replacement libraries consist of this and of thin functions with NVIDIA's names and
// signatures, which lead here.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <cuda_runtime_api.h>

#include "virtual_gpu/machine/calls.h"
#include "virtual_gpu/machine/config.h"
#include "virtual_gpu/machine/graph.h"
#include "virtual_gpu/machine/history.h"
#include "virtual_gpu/machine/hosts.h"
#include "virtual_gpu/machine/kernels.h"
#include "virtual_gpu/machine/memory.h"
#include "virtual_gpu/machine/report.h"
#include "virtual_gpu/machine/scheduler.h"
#include "virtual_gpu/machine/signals.h"
#include "virtual_gpu/machine/stream.h"

namespace virtual_gpu {

struct Device {
  Stream* default_stream = nullptr;
  std::set<int> peers;  ///< devices whose memory its threads may touch
};

class Machine {
 public:
  Machine();

  Config config;
  Reports reports;
  Calls calls;
  Memory memory;
  Hosts hosts;
  Scheduler scheduler;
  Kernels kernels;
  Signals signals;
  Captures captures;
  std::vector<Device> devices;

  int device_count() const { return static_cast<int>(devices.size()); }

  Stream* make_stream(int device, bool non_blocking, int priority);
  /// nullptr, after a report, if it is no living stream.  The null stream is the current device's.
  Stream* find(cudaStream_t stream);
  void destroy(Stream* stream);
  /// The destroyed stream has run all that it held.
  void retire(const Stream& stream);
  /// The reports so far; what they told is told again if it happens again.
  std::vector<Report> take_reports();
  Event* make_event(int device, bool timing);
  Event* find(cudaEvent_t event);
  void destroy(Event* event);
  /// A stream of a graph, which stands for one that was captured.
  Stream* make_lane(const Stream& captured);
  /// nullptr for nullptr.
  Graph* keep(std::unique_ptr<Graph> graph);
  GraphExec* keep(std::unique_ptr<GraphExec> exec);
  Graph* find(cudaGraph_t graph);
  GraphExec* find(cudaGraphExec_t exec);
  void destroy(Graph* graph);
  void destroy(GraphExec* exec);
  /// Whether a graph keeps it in use.
  bool in_a_graph(const void* held) const;
  /// Frees all that belongs to a device, as if it were new.
  void reset(int device);

  void report(std::string_view kind, std::string text) { reports.add(kind, std::move(text)); }
  /// What lives at the end of the process; reported.
  void report_leaks();

  /// Checks an access of an operation that runs: bounds, device, and order.
  void check(const Operation& operation, const Access& access);
  void forget(std::uintptr_t begin, std::uintptr_t end) { history_.forget(begin, end); }
  /// "fill (operation 3 of device 0 stream 1)".
  static std::string describe(const Operation& operation);

 private:
  struct Component {  // of clocks
    std::uint32_t index;
    std::uint32_t time;
  };
  void check_order(const Operation& operation, const Access& access);
  static std::string describe(const Mark& mark);
  void report_leaked_handles();
  Component take_component();

  History history_;
  std::unordered_set<Event*> events_;
  std::unordered_map<void*, std::unique_ptr<Graph>> graphs_;
  std::unordered_map<void*, std::unique_ptr<GraphExec>> graph_execs_;
  std::vector<Component> free_components_;  // of streams that are over
  std::uint32_t components_ = 0;
  std::set<std::string> reported_races_;
  std::vector<std::unique_ptr<Stream>> streams_;  // the dead too: operations refer to them
  std::unordered_set<Stream*> living_streams_;    // those that the program made
  std::vector<std::uint32_t> next_stream_;        // by device, for names
};

/// Made at first use, never destroyed.
Machine& machine();

/// Whoever uses the machine holds this.
class Lock {
 public:
  Lock();
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

/// Releases the lock for a while.
class Unlock {
 public:
  Unlock();
  ~Unlock();
  Unlock(const Unlock&) = delete;
  Unlock& operator=(const Unlock&) = delete;
};

}  // namespace virtual_gpu
