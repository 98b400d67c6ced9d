// How bytes travel between ranks.
//
// A transport is one rank's end.  Its operations are enqueued on a stream and hold that stream
// until the partner has arrived; no buffering may be assumed (rendezvous).  Between two ranks,
// operations on one channel match in the order in which they are reached; different channels are
// independent of each other.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockflight/core/error.h"
#include "lockflight/device/device.h"

namespace lockflight {

/// Where a transfer goes.
struct Route {
  int peer = 0;     ///< the other rank
  int channel = 0;  ///< which of the connections to it: one per directed edge between stages
  std::int32_t tag =
      0;  ///< both ends must name the same: a transfer out of order fails instead of mixing up data
};

/// What a rank will use of its transport.
struct Links {
  struct Edge {
    int peer = 0;
    int channel = 0;
    bool sends = false;
  };
  struct Group {
    std::vector<int> members;  ///< ascending, this rank among them
    int channel = 0;
  };

  std::vector<Edge> edges;
  std::vector<Group> groups;
};

class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int ranks() const = 0;

  /// Makes connections and memory ready, so that no step has to.  Every rank calls it on its host
  /// thread before its first transfer, with links that fit together; waits for the others.
  virtual void connect(const Links& links) = 0;

  /// The memory must stay as it is until the stream has passed this point.  Sizes and tags of both
  /// ends must agree; otherwise both ranks fail with a TransportError that names both ends.
  virtual void send(Stream& stream, const TensorView& from, const Route& route) = 0;
  virtual void recv(Stream& stream, const TensorView& to, const Route& route) = 0;

  /// Adds up the tensors (f32 or f64, the same spec everywhere) of the `members` (ranks, ascending,
  /// this one among them) element by element in the order of the members; all get the same bits.
  /// `channel` keeps groups apart.
  virtual void all_reduce(Stream& stream, const TensorView& values, const std::vector<int>& members,
                          int channel) = 0;

  /// Why its operations cannot be captured into a graph: a sentence; empty if they can.
  virtual std::string why_no_graph() const { return {}; }

  /// Lets every operation of all ranks that still waits, and every later one, fail with a
  /// TransportError that gives the reason.  From any thread; does not wait.
  virtual void abort(const std::string& reason) = 0;
};

}  // namespace lockflight
