#include "virtual_gpu/machine/graph.h"

#include <algorithm>
#include <map>
#include <utility>

#include <unistd.h>

#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {

bool Graph::holds(const void* held) const {
  return std::ranges::any_of(nodes,
                             [held](const Node& node) { return node.operation.holds == held; });
}

void Capture::add(Stream& stream, Operation operation) {
  graph.nodes.push_back({std::move(operation), &stream, stream.captured.after});
  stream.captured.after = {graph.nodes.size() - 1};
}

bool Capture::joined() const {
  std::vector<bool> reached(graph.nodes.size());
  std::vector<std::size_t> open = origin->captured.after;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (!reached[node]) {
      reached[node] = true;
      open.insert(open.end(), graph.nodes[node].after.begin(), graph.nodes[node].after.end());
    }
  }
  return std::ranges::count(reached, false) == 0;
}

cudaError_t Captures::begin(Machine& machine, Stream& stream, cudaStreamCaptureMode mode) {
  if (stream.captured || &stream == machine.devices[stream.device].default_stream) {
    return cudaErrorStreamCaptureUnsupported;
  }
  auto capture = std::make_shared<Capture>(Capture{
      .graph = {}, .origin = &stream, .mode = mode, .thread = gettid(), .streams = {&stream}});
  stream.captured = {.capture = capture, .after = {}};
  machine.captures.all.push_back(std::move(capture));
  return cudaSuccess;
}

cudaError_t Captures::end(Machine& machine, Stream& stream, std::unique_ptr<Graph>* graph) {
  const std::shared_ptr<Capture> capture = stream.captured.capture;
  if (!capture) {
    return cudaErrorIllegalState;
  }
  if (capture->origin != &stream) {
    capture->invalid = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != gettid()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  const bool joined = capture->joined();
  for (Stream* other : capture->streams) {
    other->captured = {};
  }
  capture->over = true;
  std::erase(machine.captures.all, capture);
  if (capture->invalid) {
    return cudaErrorStreamCaptureInvalidated;
  }
  if (!joined) {
    return cudaErrorStreamCaptureUnjoined;
  }
  *graph = std::make_unique<Graph>(std::move(capture->graph));
  return cudaSuccess;
}

cudaError_t Captures::wait(Stream& stream, const Event& event) {
  const std::shared_ptr<Capture>& capture = event.captured.capture;
  if (capture && capture->over) {
    return cudaErrorCapturedEvent;
  }
  if (!capture) {
    stream.captured.capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (stream.captured && stream.captured.capture != capture) {
    stream.captured.capture->invalid = capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (!stream.captured) {
    stream.captured.capture = capture;
    capture->streams.push_back(&stream);
  }
  auto& after = stream.captured.after;
  after.insert(after.end(), event.captured.after.begin(), event.captured.after.end());
  return cudaSuccess;
}

cudaError_t Captures::refuse(const CapturePoint& point) {
  point.capture->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t Captures::check_safe(Machine& machine) {
  cudaError_t status = cudaSuccess;
  for (const auto& capture : machine.captures.all) {
    const bool meant =
        capture->mode == cudaStreamCaptureModeGlobal ||
        (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread == gettid());
    if (meant) {
      capture->invalid = true;
      status = cudaErrorStreamCaptureUnsupported;
    }
  }
  return status;
}

GraphExec::GraphExec(Machine& machine, Graph graph) : graph_(std::move(graph)) {
  std::map<const Stream*, Stream*> lanes;
  for (const Graph::Node& node : graph_.nodes) {
    Stream*& lane = lanes[node.from];
    if (lane == nullptr) {
      lane = machine.make_lane(*node.from);
      distinct_.push_back(lane);
    }
    lanes_.push_back(lane);
  }
}

void GraphExec::launch(Machine& machine, Stream& stream) {
  Operation begin{.name = intern("begin of a graph")};
  if (last_) {
    begin.after.push_back(last_);
  }
  const OperationPointer first = machine.scheduler.enqueue(stream, std::move(begin));
  std::vector<OperationPointer> enqueued;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Graph::Node& node = graph_.nodes[i];
    Operation operation = node.operation.again ? node.operation.again() : node.operation;
    operation.after.push_back(first);
    for (const std::size_t before : node.after) {
      operation.after.push_back(enqueued[before]);
    }
    enqueued.push_back(machine.scheduler.enqueue(*lanes_[i], std::move(operation)));
  }
  last_ = machine.scheduler.enqueue(
      stream, {.name = intern("end of a graph"), .after = std::move(enqueued)});
}

void GraphExec::retire(Machine& machine) {
  for (Stream* lane : distinct_) {
    machine.destroy(lane);
  }
}

}  // namespace virtual_gpu
