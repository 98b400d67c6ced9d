// Stream capture, and the graphs that come of it.
//
// Capturing, operations are not enqueued but become nodes, which depend on what their stream and
// the events it waited for had before.  A launch of the graph enqueues them all anew: on streams of
// the graph's own, one for each captured one, between a first and a last operation on the stream of
// the launch.  Source: CUDA Programming Guide, "Creating a Graph Using Stream Capture".

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <cuda_runtime_api.h>
#include <sys/types.h>

#include "virtual_gpu/machine/operation.h"

namespace virtual_gpu {

class Machine;
struct Event;
struct Stream;

struct Graph {
  struct Node {
    Operation operation;  ///< a copy of it is enqueued
    const Stream* from;   ///< where it was captured
    std::vector<std::size_t> after;
  };
  std::vector<Node> nodes;  ///< each comes after those that it depends on

  bool holds(const void* held) const;
};

/// A capture under way.
struct Capture {
  Graph graph;
  Stream* origin;
  cudaStreamCaptureMode mode;
  pid_t thread;
  bool invalid = false;
  bool over = false;             ///< ended; events of it are left
  std::vector<Stream*> streams;  ///< that take part

  /// Adds a node at the end of a stream that takes part.
  void add(Stream& stream, Operation operation);
  /// Whether everything was joined to the origin stream.
  bool joined() const;
};

/// What a stream or event of a capture has behind it.
struct CapturePoint {
  std::shared_ptr<Capture> capture;  ///< nullptr: none
  std::vector<std::size_t> after;

  explicit operator bool() const { return capture != nullptr; }
};

class Captures {
 public:
  static cudaError_t begin(Machine& machine, Stream& stream, cudaStreamCaptureMode mode);
  /// Ends the capture, with its graph unless it failed.
  static cudaError_t end(Machine& machine, Stream& stream, std::unique_ptr<Graph>* graph);
  /// cudaStreamWaitEvent where the stream, the event or both belong to a capture.
  static cudaError_t wait(Stream& stream, const Event& event);
  /// A call that a capture does not allow: cudaErrorStreamCaptureUnsupported, and the capture
  /// fails.
  static cudaError_t refuse(const CapturePoint& point);
  /// The same for calls that captures of the calling thread, or of any, do not allow.
  static cudaError_t check_safe(Machine& machine);

  std::vector<std::shared_ptr<Capture>> all;  ///< under way
};

/// An instantiated graph.
class GraphExec {
 public:
  GraphExec(Machine& machine, Graph graph);
  void launch(Machine& machine, Stream& stream);
  bool holds(const void* held) const { return graph_.holds(held); }
  /// Lets go of the streams, which finish what they have.
  void retire(Machine& machine);

 private:
  Graph graph_;
  std::vector<Stream*> lanes_;     // by node
  std::vector<Stream*> distinct_;  // each lane once
  OperationPointer last_;          // launches run one after the other
};

}  // namespace virtual_gpu
