#include "virtual_gpu/machine/machine.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

namespace virtual_gpu {
namespace {

std::mutex& mutex() {
  static auto* const all = new std::mutex;
  return *all;
}

}  // namespace

Machine& machine() {
  static auto* const one = new Machine;
  return *one;
}

Lock::Lock() { mutex().lock(); }
Lock::~Lock() { mutex().unlock(); }
Unlock::Unlock() { mutex().unlock(); }
Unlock::~Unlock() { mutex().lock(); }

const std::string* intern(const std::string& text) {
  static auto* const all = new std::unordered_set<std::string>;
  return &*all->insert(text).first;
}

Machine::Machine()
    : config(read_config()),
      memory(config.devices, config.memory),
      scheduler(*this, config.order),
      kernels(*this),
      devices(config.devices),
      next_stream_(config.devices) {
  for (int i = 0; i < device_count(); ++i) {
    devices[i].default_stream = make_stream(i, false, 0);
    living_streams_.erase(devices[i].default_stream);
  }
}

Stream* Machine::make_stream(int device, bool non_blocking, int priority) {
  auto stream = std::make_unique<Stream>();
  stream->device = device;
  const Component component = take_component();
  stream->index = component.index;
  stream->begin = component.time;
  stream->non_blocking = non_blocking;
  stream->priority = priority;
  stream->name = intern(fmt::format("device {} stream {}", device, next_stream_[device]++));
  streams_.push_back(std::move(stream));
  Stream* const made = streams_.back().get();
  living_streams_.insert(made);
  scheduler.add(made);
  return made;
}

// Clocks stay small: the component of a stream that is over serves another one, once the host, and
// so whatever is enqueued from then on, comes after all that the old stream did.
Machine::Component Machine::take_component() {
  const auto known = [this](const Component& c) { return scheduler.host().at(c.index) >= c.time; };
  const auto found = std::ranges::find_if(free_components_, known);
  if (found == free_components_.end()) {
    return {.index = components_++, .time = 0};
  }
  const Component component = *found;
  free_components_.erase(found);
  return component;
}

void Machine::retire(const Stream& stream) {
  free_components_.push_back({stream.index, stream.begin + stream.enqueued});
}

std::vector<Report> Machine::take_reports() {
  reported_races_.clear();
  return reports.take();
}

Stream* Machine::find(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy) {
    return devices[hosts.current_device()].default_stream;
  }
  auto* const wanted = reinterpret_cast<Stream*>(stream);
  if (!living_streams_.contains(wanted)) {
    report("bad handle", "a stream is used that does not exist, or no longer");
    return nullptr;
  }
  return wanted;
}

void Machine::destroy(Stream* stream) {
  stream->destroyed = true;
  living_streams_.erase(stream);
  scheduler.drop_if_over(stream);
}

Event* Machine::make_event(int device, bool timing) {
  auto* event = new Event{.device = device, .timing = timing, .record = {}, .time = {}};
  events_.insert(event);
  return event;
}

Event* Machine::find(cudaEvent_t event) {
  auto* const wanted = reinterpret_cast<Event*>(event);
  if (!events_.contains(wanted)) {
    report("bad handle", "an event is used that does not exist, or no longer");
    return nullptr;
  }
  return wanted;
}

void Machine::destroy(Event* event) {
  events_.erase(event);
  delete event;
}

Stream* Machine::make_lane(const Stream& captured) {
  Stream* lane = make_stream(captured.device, true, captured.priority);
  living_streams_.erase(lane);  // no handle of it leaves the machine
  lane->name = intern("a graph's copy of " + *captured.name);
  return lane;
}

Graph* Machine::keep(std::unique_ptr<Graph> graph) {
  Graph* const kept = graph.get();
  if (kept != nullptr) {
    graphs_[kept] = std::move(graph);
  }
  return kept;
}

GraphExec* Machine::keep(std::unique_ptr<GraphExec> exec) {
  GraphExec* const kept = exec.get();
  graph_execs_[kept] = std::move(exec);
  return kept;
}

Graph* Machine::find(cudaGraph_t graph) {
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) {
    report("bad handle", "a graph is used that does not exist, or no longer");
    return nullptr;
  }
  return found->second.get();
}

GraphExec* Machine::find(cudaGraphExec_t exec) {
  const auto found = graph_execs_.find(exec);
  if (found == graph_execs_.end()) {
    report("bad handle", "an instantiated graph is used that does not exist, or no longer");
    return nullptr;
  }
  return found->second.get();
}

void Machine::destroy(Graph* graph) { graphs_.erase(graph); }

void Machine::destroy(GraphExec* exec) {
  exec->retire(*this);
  graph_execs_.erase(exec);
}

bool Machine::in_a_graph(const void* held) const {
  const auto holds = [held](const auto& entry) { return entry.second->holds(held); };
  return std::ranges::any_of(graphs_, holds) || std::ranges::any_of(graph_execs_, holds);
}

void Machine::reset(int device) {
  for (const auto& stream : streams_) {
    if (stream->device == device && !stream->destroyed) {
      scheduler.abandon(*stream, cudaErrorDeviceUninitialized);
      if (stream.get() == devices[device].default_stream) {
        stream->failed = cudaSuccess;
      } else {
        destroy(stream.get());
      }
    }
  }
  std::erase_if(events_, [device](Event* event) {
    const bool here = event->device == device;
    if (here) {
      delete event;
    }
    return here;
  });
  for (const Memory::Allocation& allocation : memory.alive(device)) {
    forget(allocation.begin, allocation.begin + allocation.bytes);
  }
  memory.clear(device);
  devices[device].peers.clear();
}

void Machine::report_leaks() {
  for (int space = 0; space <= Memory::kPinned; ++space) {
    const auto alive = memory.alive(space);
    if (!alive.empty()) {
      report("leak", fmt::format("{} bytes in {} allocations of {} are never freed",
                                 memory.used(space), alive.size(), Memory::name(space)));
    }
  }
  for (const auto& stream : streams_) {
    if (living_streams_.contains(stream.get())) {
      report("leak", fmt::format("{} is never destroyed", *stream->name));
    }
  }
  report_leaked_handles();
}

void Machine::report_leaked_handles() {
  if (!events_.empty()) {
    report("leak", fmt::format("{} events are never destroyed", events_.size()));
  }
  if (!graphs_.empty() || !graph_execs_.empty()) {
    report("leak", fmt::format("{} graphs and {} instantiated graphs are never destroyed",
                               graphs_.size(), graph_execs_.size()));
  }
}

std::string Machine::describe(const Operation& operation) {
  return fmt::format("{} (operation {} of {})", *operation.name, operation.position,
                     *operation.stream->name);
}

std::string Machine::describe(const Mark& mark) {
  return fmt::format("{} (operation {} of {})", *mark.what, mark.position, *mark.where);
}

void Machine::check(const Operation& operation, const Access& access) {
  const int space = memory.space_of(access.begin);
  if (access.bytes == 0 || space == Memory::kNowhere) {
    return;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(access.begin);
  if (const auto trouble = memory.trouble(begin, begin + access.bytes)) {
    report(trouble->kind, fmt::format("{} {} {} bytes of {} at {:#x}: {}", describe(operation),
                                      access.writes ? "writes" : "reads", access.bytes,
                                      Memory::name(space), begin, trouble->text));
    memory.mend(access.begin);
    return;
  }
  const int device = operation.stream->device;
  if (access.direct && space != Memory::kPinned && space != device &&
      !devices[device].peers.contains(space)) {
    report("foreign memory",
           fmt::format("{} {} {} bytes of {} at {:#x} without cudaDeviceEnablePeerAccess",
                       describe(operation), access.writes ? "writes" : "reads", access.bytes,
                       Memory::name(space), begin));
  }
  check_order(operation, access);
}

void Machine::check_order(const Operation& operation, const Access& access) {
  const auto begin = reinterpret_cast<std::uintptr_t>(access.begin);
  const Mark who{.stream = operation.stream->index,
                 .time = operation.time,
                 .position = operation.position,
                 .what = operation.name,
                 .where = operation.stream->name};
  const auto race = history_.note(begin, begin + access.bytes, access.writes, who, operation.clock);
  if (!race) {
    return;
  }
  const std::string pair =
      fmt::format("{} {} {} {}", race->before.stream, static_cast<const void*>(race->before.what),
                  who.stream, static_cast<const void*>(who.what));
  if (!reported_races_.insert(pair).second) {
    return;
  }
  const auto allocation = memory.find(access.begin);
  report(
      "race",
      fmt::format("{} {} and {} {} bytes {} to {} of the {} bytes of {} at {:#x}, and nothing "
                  "orders them: a missing event, wait or synchronisation",
                  describe(race->before), race->before_writes ? "writes" : "reads",
                  describe(operation), access.writes ? "writes" : "reads",
                  race->begin - allocation->begin, race->end - allocation->begin, allocation->bytes,
                  Memory::name(memory.space_of(access.begin)), allocation->begin));
}

}  // namespace virtual_gpu
