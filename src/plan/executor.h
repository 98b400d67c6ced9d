// Interprets one rank's program: enqueues every instruction on its stream, in order, and never
// waits.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/core/host_tensor.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/rank_sums.h"
#include "lockflight/plan/timeline.h"
#include "plan/copies.h"
#include "plan/job.h"
#include "plan/stage.h"

namespace lockflight::plan {

/// One step's data and results.  Must live until the devices have been synchronised.
struct Step {
  const std::vector<HostTensor>* inputs = nullptr;
  const std::vector<HostTensor>* targets = nullptr;
  std::uint64_t seed = 0;
  std::uint32_t number = 0;
  bool timeline = false;
  std::vector<float> losses;  ///< filled by the rank of a copy's last stage, by micro-batch
  std::vector<std::vector<HostTensor>>
      outputs;  ///< filled by it where there is no loss, by micro-batch
};

/// The optimizer's part of the update phase: enqueues the work of an instruction on its stream.
struct Update {
  std::function<void(Opcode, Stream&)> run;
  /// Of the rank, where the optimizer is in the schedule.
  RankSums sums;
};

class Executor {
 public:
  Executor(Device& device, Transport& transport, nn::Loss& loss);

  /// Stages in ascending order, with their numbers.
  void add_stage(int number, Stage stage) { stages_.emplace(number, std::move(stage)); }
  void add_tie(TiedParameters tie) { ties_.push_back(std::move(tie)); }

  Stream& compute_stream() { return *compute_; }

  /// The memory in which layouts have their places.
  void set_block(const TensorView& block) { block_ = block; }
  /// Of the last step, where it was planned.
  MemoryUse planned_use() const { return memory_ ? memory_->use() : MemoryUse(); }

  /// Enqueues the rank's program up to the update phase.  Does not wait.
  void enqueue(const Job& job, Step& step);

  /// The same, captured into a graph, which runs at every `launch_graph`.  Job and step must live
  /// as long.  All ranks capture, or give back, before any launches: both may wait for all devices.
  void capture(const Job& job, Step& step);
  void launch_graph() { graph_->launch(); }
  void give_graph_back() { graph_.reset(); }

  /// Enqueues the program's update phase.  Does not wait.
  void enqueue_update(const Program& program, const Update& update);

  // The same in parts, for steps in a row: see unroll.  None waits.

  /// Throws away what was measured of earlier steps.
  void begin_row() {
    spans_.clear();
    host_ns_ = 0;
  }
  /// The prologue of another step, or of the same one anew.  The step before must be enqueued up to
  /// its update; what is thrown away must have run.
  void enqueue_prologue(const Job& job, Step& step);
  /// What of the step begun stands before its update phase.
  void enqueue_rest();
  /// Up to the update.
  void enqueue_eager_update(const Program& program, const Update& update);
  void enqueue_validation(const Program& program, const Update& update);
  /// After enqueue_eager_update: the host can read the sums of all ranks when it is reached.
  Event& verdict(const Program& program);

  /// Gives back what a step left: its tensors are not used by what will be enqueued.
  void end_step();

  /// "action 17 (2B5)": the place that a failure's mark names; empty if it names none.
  std::string describe(std::int32_t mark) const;

  /// A layer that asked for random numbers, if one did.
  std::optional<std::uint32_t> drawing_layer() const { return drawing_layer_; }

  /// Of the last step, or of all of a row, if their timeline was asked for.
  const std::deque<TimelineSpan>& spans() const { return spans_; }
  /// How long enqueueing them took.
  std::int64_t host_ns() const { return host_ns_; }

 private:
  void begin(const Job& job, Step& step);
  std::vector<int> last_stages() const;
  void enqueue_before_update(std::size_t begin, std::size_t end);
  void enqueue_update_phase(const Program& program, const Update& update, std::size_t begin,
                            std::size_t end);
  void bind(const Program& program);
  void run_from(std::size_t begin, std::size_t end);
  void run(const Instruction& instruction);
  void compute(const Instruction& instruction);
  void forward(const Instruction& instruction, nn::Context& context);
  void allocate(int slot);
  void transfer(const Instruction& instruction, bool sends);
  void reduce_tied(const Instruction& instruction);
  void transfer_sums(const Instruction& instruction);
  std::vector<TensorSpec> specs_of(const Boundary& boundary) const;
  Tensors upload(Stream& stream, const std::vector<HostTensor>& rows, int micro_batch);
  void download_outputs(Stream& stream, const Tensors& outputs, int micro_batch);
  Stream& stream(int number) { return number == 0 ? *compute_ : *others_.at(number); }
  TimelineSpan* begin_span(const Instruction& instruction);
  void end_span(const Instruction& instruction, TimelineSpan* span);

  Device& device_;
  Transport& transport_;
  nn::Loss& loss_;
  std::optional<PlannedMemory> memory_;  // of the last step; outlives all tensors below
  std::map<int, Stage> stages_;
  std::vector<TiedParameters> ties_;
  std::unique_ptr<Stream> compute_;
  std::map<int, std::unique_ptr<Stream>> streams_by_channel_;  // -1: the second that computes
  std::vector<std::unique_ptr<Event>> events_;
  TensorView block_;
  std::unique_ptr<Graph> graph_;  // goes before its streams
  std::optional<std::uint32_t> drawing_layer_;

  // Of the step under way.
  const Job* job_ = nullptr;
  Step* step_ = nullptr;
  const Update* update_ = nullptr;
  const RankProgram* program_ = nullptr;
  std::vector<Stream*> others_;  // by the program's number of the stream
  std::vector<Tensors> slots_;
  Tensor losses_;
  std::vector<Tensors> kept_alive_;  // outputs on their way to the host
  std::deque<TimelineSpan> spans_;   // streams write into them: they must not move
  std::int64_t host_ns_ = 0;
};

}  // namespace lockflight::plan
