#include "lockflight/runtime/pipeline.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/prove.h"
#include "plan/copies.h"
#include "plan/executor.h"
#include "plan/job.h"
#include "plan/links.h"
#include "plan/memory.h"
#include "plan/recomputing.h"
#include "runtime/entries.h"
#include "runtime/rank_threads.h"

namespace lockflight {
namespace {

void check_rows(const char* what, const std::vector<HostTensor>& given,
                const std::vector<TensorSpec>& expected, std::int64_t rows) {
  if (given.size() != expected.size()) {
    throw InvalidArgument(
        fmt::format("{}: {} tensors, expected {}", what, given.size(), expected.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    const TensorSpec spec = plan::with_rows(expected[i], rows);
    if (given[i].spec() != spec) {
      throw InvalidArgument(fmt::format("{}: tensor {} is {}, expected {}", what, i,
                                        to_string(given[i].spec()), to_string(spec)));
    }
  }
}

void copy_bytes(const std::vector<HostTensor>& from, std::vector<HostTensor>& to) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::copy_n(from[i].data(), from[i].spec().bytes(), to[i].data());
  }
}

std::int64_t rows_of(const std::vector<HostTensor>& tensors) {
  return tensors.empty() || tensors.front().spec().shape.rank() == 0
             ? 0
             : tensors.front().spec().shape[0];
}

}  // namespace

class Pipeline::Impl {
 public:
  Impl(World& world, nn::Model model, const Plan& plan, const PipelineOptions& options)
      : world_(world), model_(std::move(model)), plan_(plan), options_(options) {
    if (plan.ranks() != world.ranks()) {
      throw InvalidArgument(
          fmt::format("pipeline: the plan is for {} ranks, the world has {}; plan for this world",
                      plan.ranks(), world.ranks()));
    }
    check_layers();
    if (plan_.schedule.placement.copies() == 2) {
      second_copy_.emplace(model_.again());
    }
    for (nn::Model* copy : copies()) {
      recomputing_.emplace_back(*copy, plan::recomputed_layers(*copy, plan_.stages));
    }
    if (options_.proved) {
      plan::check_proved(plan_.program);
    }
    train_ = plan::training_job(model_, plan_);
    plan::lay_out(model_, plan_.stages, train_);
    if (options_.cuda_graph) {
      check_graph();
    }
    make_executors();
    list_parameters();
    check_memory();
    threads_ = std::make_unique<runtime::RankThreads>(world_);
    blocks_.resize(world_.ranks());
    on_each_rank([this](RankContext& context) {
      reserve(context);
      context.transport.connect(plan::links_of(train_.program, context.rank));
      materialize(context);
      make_room(context, plan_.memory[context.rank].step_bytes);
    });
  }

  ~Impl() {
    for (const ParameterSet::Entry& entry : parameters_.entries_) {
      entry.parameter->dematerialize();
    }
  }

  void check_batch(const Batch& batch) const {
    check_rows("forward_backward: inputs", batch.inputs, model_.rows().inputs,
               plan_.batch_shape.rows());
    check_rows("forward_backward: targets", batch.targets, model_.rows().targets,
               plan_.batch_shape.rows());
  }

  StepResult forward_backward(const Batch& batch) {
    check_batch(batch);
    timeline_ = {.ranks = world_.ranks()};
    std::vector<float> losses = losses_of(batch, 0);
    collect_timeline();
    return result_of(std::move(losses));
  }

  float evaluate(const Batch& batch) {
    const std::int64_t micro_rows = plan_.batch_shape.micro_batch_rows;
    const std::int64_t rows = rows_of(batch.inputs);
    if (rows == 0 || rows % micro_rows != 0) {
      throw InvalidArgument(fmt::format(
          "evaluate: {} rows; a positive multiple of the {} rows of a micro-batch is needed", rows,
          micro_rows));
    }
    check_rows("evaluate: inputs", batch.inputs, model_.rows().inputs, rows);
    check_rows("evaluate: targets", batch.targets, model_.rows().targets, rows);
    const plan::Job& job = forward_job(
        {.micro_batch_rows = micro_rows, .micro_batches = static_cast<int>(rows / micro_rows)});
    plan::Step step_data = make_step(job, batch.inputs, &batch.targets, false);
    run_step(job, step_data);
    return mean(step_data.losses);
  }

  std::vector<HostTensor> forward(const std::vector<HostTensor>& inputs) {
    const std::int64_t rows = rows_of(inputs);
    check_rows("forward: inputs", inputs, model_.rows().inputs, std::max<std::int64_t>(rows, 1));
    const plan::Job& job =
        forward_job({.micro_batches = static_cast<int>(rows), .with_loss = false});
    plan::Step step_data = make_step(job, inputs, nullptr, false);
    run_step(job, step_data);
    return join_rows(step_data.outputs);
  }

  void on_each_rank(const std::function<void(RankContext&)>& work) {
    run([&](int rank) {
      RankContext context = context_of(rank);
      work(context);
    });
  }

  void update(const UpdateWork& work, std::size_t number = 0) {
    run([&](int rank) {
      const plan::Update update = update_of(work, rank, number);
      executors_[rank]->enqueue_update(train_.program, update);
    });
    has_sums_ = false;
  }

  std::vector<StepResult> train(std::span<const StepInput> inputs, const UpdateWork& work) {
    for (const StepInput& input : inputs) {
      check_batch(*input.batch);
    }
    timeline_ = {.ranks = world_.ranks()};
    return parameters_.in_schedule() ? train_in_a_row(inputs, work) : train_apart(inputs, work);
  }

  std::vector<std::vector<float>> read_back(std::span<const std::size_t> entries) {
    std::vector<std::vector<float>> values(entries.size());
    on_each_rank([&](RankContext& context) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const ParameterSet::Entry& entry = parameters_.entries_[entries[i]];
        if (entry.rank == context.rank) {
          values[i].resize(static_cast<std::size_t>(entry.parameter->elements()));
          context.stream.download(values[i].data(), entry.parameter->value());
        }
      }
    });
    return values;
  }

  void write(std::size_t number, std::span<const float> values) {
    const auto& entries = parameters_.entries_;
    const ParameterSet::Entry& entry = entries[number];
    if (static_cast<std::int64_t>(values.size()) != entry.parameter->elements()) {
      throw InvalidArgument(fmt::format("parameter {}: {} values given, it has {}",
                                        entry.parameter->name(), values.size(),
                                        entry.parameter->elements()));
    }
    on_each_rank([&](RankContext& context) {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const bool same = i == number || entries[i].tied_to == static_cast<int>(number);
        if (same && entries[i].rank == context.rank) {
          entries[i].parameter->set(context.stream, values);
        }
      }
    });
  }

  std::uint64_t weights_hash() {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < parameters_.entries_.size(); ++i) {
      if (parameters_.entries_[i].tied_to < 0) {
        numbers.push_back(i);
      }
    }
    const auto free_state = [](XXH64_state_t* state) { XXH64_freeState(state); };
    const std::unique_ptr<XXH64_state_t, decltype(free_state)> state(XXH64_createState(),
                                                                     free_state);
    XXH64_reset(state.get(), 0);
    for (const std::vector<float>& values : read_back(numbers)) {
      XXH64_update(state.get(), values.data(), values.size() * sizeof(float));
    }
    return XXH64_digest(state.get());
  }

  const World& world() const { return world_; }
  const nn::Model& model() const { return model_; }
  const Plan& plan() const { return plan_; }
  const ParameterSet& parameters() const { return parameters_; }
  const Timeline& timeline() const { return timeline_; }
  MemoryUse step_memory(int rank) const { return executors_.at(rank)->planned_use(); }

  std::uint32_t step = 0;

 private:
  // A plan of another model, or one that was changed by hand.
  void check_layers() const {
    const auto& layers = model_.layers();
    std::size_t end = 0;
    for (const StagePlan& stage : plan_.stages) {
      const auto first = static_cast<std::size_t>(stage.first_layer);
      end = first + static_cast<std::size_t>(stage.layers);
      if (end > layers.size() || layers[first].name != stage.first_name ||
          layers[end - 1].name != stage.last_name) {
        throw PlanError(fmt::format(
            "pipeline: the plan's stage on rank {} has layers {} to {}, {} … {}; the model has "
            "other layers there: make the plan anew with this model",
            stage.rank, first, end - 1, stage.first_name, stage.last_name));
      }
    }
    if (end != layers.size()) {
      throw PlanError(
          fmt::format("pipeline: the plan has {} layers, the model {}; make the plan anew with "
                      "this model",
                      end, layers.size()));
    }
  }

  // Whether a step can be captured.
  void check_graph() const {
    std::string why;
    for (int rank = 0; rank < world_.ranks() && why.empty(); ++rank) {
      why = world_.device(rank).why_no_graph();
      why = why.empty() ? world_.transport(rank).why_no_graph() : why;
    }
    if (why.empty() && plan::validates(train_.program)) {
      why = "its optimizer is in the schedule, so it is enqueued in parts; plan it without";
    }
    if (why.empty() && options_.timeline) {
      why = "a graph's actions cannot be measured one by one; turn the timeline off";
    }
    if (why.empty() && train_.drawing_layer) {
      why = fmt::format(
          "layer {} draws random numbers, and a graph would draw the same in every step; set its "
          "dropout to 0",
          model_.layers()[*train_.drawing_layer].name);
    }
    if (!why.empty()) {
      throw InvalidArgument(fmt::format(
          "pipeline: this step cannot be a CUDA graph: {}, or leave the graph out", why));
    }
  }

  void check_memory() const {
    std::vector<RankMemory> planned = plan_.memory;
    planned.resize(static_cast<std::size_t>(world_.ranks()));
    std::vector<std::size_t> parameters(planned.size());
    for (const ParameterSet::Entry& entry : parameters_.entries_) {
      parameters[entry.rank] += entry.parameter->value_bytes();
    }
    const auto check = [](int rank, std::string_view what, std::size_t needed, std::size_t has) {
      if (needed > has) {
        throw PlanError(fmt::format(
            "pipeline: rank {}'s {} {} bytes, the plan has {} for it; make the plan anew with this "
            "model",
            rank, what, needed, has));
      }
    };
    for (int rank = 0; rank < world_.ranks(); ++rank) {
      check(rank, "step takes", train_.layouts[rank].bytes, planned[rank].step_bytes);
      check(rank, "parameters take", parameters[rank], planned[rank].parameter_bytes);
    }
  }

  // The first compute stream has its part already.
  void reserve(RankContext& context) const {
    const RankMemory& memory = plan_.memory.at(context.rank);
    const std::size_t taken = plan::stream_workspace_bytes(context.device.kind());
    context.device.reserve(memory.arena_bytes() - std::min(memory.workspace_bytes, taken));
  }

  RankContext context_of(int rank) {
    return {.rank = rank,
            .ranks = world_.ranks(),
            .device = world_.device(rank),
            .stream = executors_[rank]->compute_stream(),
            .transport = world_.transport(rank)};
  }

  // These return how many steps have come to a verdict.
  std::vector<StepResult> train_apart(std::span<const StepInput> inputs, const UpdateWork& work) {
    std::vector<StepResult> results;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      results.push_back(result_of(losses_of(*inputs[i].batch, i)));
      collect_timeline();
      update(work, i);
      if (work.verdict(context_of(0)) == plan::Verdict::refused) {
        break;
      }
    }
    return results;
  }

  std::vector<StepResult> train_in_a_row(std::span<const StepInput> inputs,
                                         const UpdateWork& work) {
    keep_sums_once();
    std::vector<plan::Step> steps;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      steps.push_back(make_step(*inputs[i].batch, i));
    }
    std::vector<std::size_t> done(static_cast<std::size_t>(world_.ranks()));
    run([&](int rank) { done[rank] = train_in_a_row(rank, steps, work); });
    has_sums_ = false;
    end_steps();
    collect_timeline();
    std::vector<StepResult> results;
    for (std::size_t i = 0; i < done.front(); ++i) {
      results.push_back(result_of(std::move(steps[i].losses)));
    }
    return results;
  }

  // On the rank's host thread.  See plan/unroll.h.
  std::size_t train_in_a_row(int rank, std::vector<plan::Step>& steps, const UpdateWork& work) {
    plan::Executor& executor = *executors_[rank];
    const plan::Program& program = train_.program;
    executor.begin_row();
    executor.enqueue_prologue(train_, steps.front());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const plan::Update update = update_of(work, rank, i);
      plan::Step* const next = i + 1 < steps.size() ? &steps[i + 1] : nullptr;
      executor.enqueue_rest();
      executor.enqueue_eager_update(program, update);
      if (next != nullptr) {
        executor.enqueue_prologue(train_, *next);
      }
      world_.device(rank).synchronize(executor.verdict(program));
      const plan::Verdict verdict = work.verdict(context_of(rank));
      if (verdict != plan::Verdict::accepted) {
        world_.device(rank).synchronize();
      }
      executor.enqueue_validation(program, update);
      if (verdict == plan::Verdict::refused) {
        return i + 1;
      }
      if (verdict == plan::Verdict::amended && next != nullptr) {
        executor.enqueue_prologue(train_, *next);
      }
    }
    return steps.size();
  }

  plan::Update update_of(const UpdateWork& work, int rank, std::size_t number) {
    const auto run = [this, &work, rank, number](plan::Opcode opcode, Stream& stream) {
      RankContext context{.rank = rank,
                          .ranks = world_.ranks(),
                          .device = world_.device(rank),
                          .stream = stream,
                          .transport = world_.transport(rank),
                          .step = number};
      switch (opcode) {
        case plan::Opcode::gradient_norm:
          return work.gradient_norm(context);
        case plan::Opcode::gradient_sums:
          return work.gradient_sums(context);
        case plan::Opcode::add_sums:
          return work.add_sums(context);
        case plan::Opcode::read_sums:
          return work.read_sums(context);
        case plan::Opcode::validate:
          return work.validate(context);
        default:
          return work.update(context);
      }
    };
    return {.run = run, .sums = parameters_.in_schedule() ? work.sums(rank) : plan::RankSums()};
  }

  void make_executors() {
    const std::vector<nn::Model*> copies = this->copies();
    const schedule::Placement& placement = plan_.schedule.placement;
    for (int rank = 0; rank < world_.ranks(); ++rank) {
      // The last stages of two copies lie on two ranks.
      const bool second = copies.size() == 2 && placement.rank_of(placement.stages() - 1) == rank;
      executors_.push_back(std::make_unique<plan::Executor>(
          world_.device(rank), world_.transport(rank), copies[second ? 1 : 0]->loss()));
      for (plan::TiedParameters& tie : plan::tied_parameters(copies, plan_.stages, rank)) {
        executors_[rank]->add_tie(std::move(tie));
      }
    }
    for (std::size_t number = 0; number < plan_.stages.size(); ++number) {
      const StagePlan& stage = plan_.stages[number];
      const std::span<nn::NamedLayer> layers =
          copies[placement.copy_of(static_cast<int>(number))]->layers();
      executors_[stage.rank]->add_stage(
          static_cast<int>(number),
          plan::Stage(layers.subspan(stage.first_layer, stage.layers), stage.first_layer));
    }
  }

  void list_parameters() {
    parameters_.on_each_rank_ = [this](const auto& work) { on_each_rank(work); };
    parameters_.update_ = [this](const UpdateWork& work) { update(work); };
    parameters_.train_ = [this](const auto& steps, const auto& work) { return train(steps, work); };
    parameters_.step_ = &step;
    parameters_.ranks_ = world_.ranks();
    parameters_.in_schedule_ = plan::validates(train_.program);
    parameters_.entries_ = runtime::entries_of(copies(), plan_.stages);
  }

  void materialize(RankContext& context) {
    for (const ParameterSet::Entry& entry : parameters_.entries_) {
      if (entry.rank != context.rank) {
        continue;
      }
      entry.parameter->materialize(context.device, context.stream, options_.seed);
      if (entry.tied_to >= 0) {
        const auto values =
            parameters_.entries_[entry.tied_to].parameter->initial_values(options_.seed);
        entry.parameter->set(context.stream, values);
        context.device.synchronize();
      }
    }
  }

  // Made at the first use of its size, with room for it.
  const plan::Job& forward_job(const plan::ForwardSize& size) {
    const auto [place, is_new] = forward_jobs_.try_emplace({size.micro_batches, size.with_loss});
    plan::Job& job = place->second;
    if (is_new) {
      job = plan::forward_job(model_, plan_, size);
      plan::lay_out(model_, plan_.stages, job);
      captured_ = false;  // blocks may move, and ranks capture together
      on_each_rank([&](RankContext& context) {
        executors_[context.rank]->give_graph_back();
        make_room(context, job.layouts[context.rank].bytes);
      });
    }
    return job;
  }

  // Makes a rank's block at least that large.
  void make_room(RankContext& context, std::size_t bytes) {
    Tensor& block = blocks_[context.rank];
    if (block && block.spec().bytes() >= bytes) {
      return;
    }
    block = Tensor();
    block = context.device.empty({{static_cast<std::int64_t>(bytes / sizeof(float))}});
    executors_[context.rank]->set_block(block);
  }

  plan::Step make_step(const plan::Job& job, const std::vector<HostTensor>& inputs,
                       const std::vector<HostTensor>* targets, bool timeline) const {
    plan::Step step_data{.inputs = &inputs,
                         .targets = targets,
                         .seed = options_.seed,
                         .number = step,
                         .timeline = timeline};
    const auto micro_batches = static_cast<std::size_t>(job.program.micro_batches);
    step_data.losses.resize(job.with_loss ? micro_batches : 0);
    step_data.outputs.resize(job.with_loss ? 0 : micro_batches);
    return step_data;
  }

  // Of training, `ahead` steps from now.
  plan::Step make_step(const Batch& batch, std::size_t ahead) const {
    plan::Step step_data = make_step(train_, batch.inputs, &batch.targets, options_.timeline);
    step_data.number += static_cast<std::uint32_t>(ahead);
    return step_data;
  }

  void run_step(const plan::Job& job, plan::Step& step_data) {
    run([&](int rank) { executors_[rank]->enqueue(job, step_data); });
    end_steps();
  }

  std::vector<float> losses_of(const Batch& batch, std::size_t ahead) {
    keep_sums_once();
    // CUDA loads kernels and cuBLASLt chooses algorithms in the first step: no work for a graph.
    if (options_.cuda_graph && std::exchange(had_a_step_, true)) {
      return run_graph(batch);
    }
    plan::Step step_data = make_step(batch, ahead);
    run_step(train_, step_data);
    return std::move(step_data.losses);
  }

  // After a step, what is tied has the same sum at all its ends.  Where another step comes before
  // an update, only the first end may keep it, or it would count again.
  void keep_sums_once() {
    if (!std::exchange(has_sums_, true)) {
      return;
    }
    on_each_rank([this](RankContext& context) {
      for (const ParameterSet::Entry& entry : parameters_.entries_) {
        if (entry.rank == context.rank && entry.tied_to >= 0) {
          ops::fill(context.stream, entry.parameter->grad(), 0.0F);
        }
      }
    });
  }

  void end_steps() {
    for (const auto& executor : executors_) {
      executor->end_step();
    }
  }

  // A graph finds its data, and leaves its losses, where they were when it was captured.
  std::vector<float> run_graph(const Batch& batch) {
    if (graph_batch_.inputs.empty()) {
      graph_batch_ = batch;
    }
    copy_bytes(batch.inputs, graph_batch_.inputs);
    copy_bytes(batch.targets, graph_batch_.targets);
    if (!std::exchange(captured_, true)) {
      graph_step_ = {
          .inputs = &graph_batch_.inputs, .targets = &graph_batch_.targets, .seed = options_.seed};
      graph_step_.losses.resize(static_cast<std::size_t>(train_.program.micro_batches));
      run([&](int rank) { executors_[rank]->capture(train_, graph_step_); });
      end_steps();
    }
    run([&](int rank) { executors_[rank]->launch_graph(); });
    return graph_step_.losses;
  }

  std::vector<nn::Model*> copies() {
    std::vector<nn::Model*> copies = {&model_};
    if (second_copy_) {
      copies.push_back(&*second_copy_);
    }
    return copies;
  }

  // Runs work on every rank; turns what failed first into the pipeline's own failure.
  void run(const std::function<void(int)>& work) {
    if (!failed_.empty()) {
      throw Error(fmt::format(
          "this pipeline failed before ({}); make a new world and a new pipeline", failed_));
    }
    const auto failures = threads_->run(work);
    if (failures.empty()) {
      return;
    }
    const auto is_cause = [](const auto& failure) {
      try {
        std::rethrow_exception(failure.error);
      } catch (const AbortedError&) {
        return false;
      } catch (...) {
        return true;
      }
    };
    const auto cause = std::ranges::find_if(failures, is_cause);
    rethrow(cause == failures.end() ? failures.front() : *cause);
  }

  [[noreturn]] void rethrow(const runtime::RankThreads::Failure& failure) {
    const auto device_failure = world_.device(failure.rank).failure();
    const std::string action =
        device_failure ? executors_[failure.rank]->describe(device_failure->action) : "";
    const std::string place =
        fmt::format("rank {}{}{}", failure.rank, action.empty() ? "" : ", ", action);
    const auto said = [&](const std::exception& error) {
      return failed_ = fmt::format(
                 "{}: {}{}", place, error.what(),
                 nccl_is_stuck() ? "; and NCCL did not come back from ending what was under way: "
                                   "end this process, nothing else frees its GPUs"
                                 : "");
    };
    try {
      std::rethrow_exception(failure.error);
    } catch (const TransportError& error) {
      throw TransportError(said(error));
    } catch (const InvalidArgument& error) {
      if (!nccl_is_stuck()) {
        throw InvalidArgument(said(error));
      }
      throw TransportError(said(error));
    } catch (const std::exception& error) {
      if (!nccl_is_stuck()) {
        throw DeviceError(said(error));
      }
      throw TransportError(said(error));
    }
  }

  void collect_timeline() {
    timeline_.host_ns.resize(options_.timeline ? executors_.size() : 0);
    for (std::size_t rank = 0; rank < executors_.size(); ++rank) {
      const plan::Executor& executor = *executors_[rank];
      timeline_.spans.insert(timeline_.spans.end(), executor.spans().begin(),
                             executor.spans().end());
      if (options_.timeline) {
        timeline_.host_ns[rank] += executor.host_ns();
      }
    }
  }

  static StepResult result_of(std::vector<float> losses) {
    return {.loss = mean(losses), .micro_batch_losses = std::move(losses)};
  }

  static float mean(const std::vector<float>& losses) {
    return std::accumulate(losses.begin(), losses.end(), 0.0F) / static_cast<float>(losses.size());
  }

  static std::vector<HostTensor> join_rows(const std::vector<std::vector<HostTensor>>& rows) {
    std::vector<HostTensor> joined;
    for (std::size_t i = 0; i < rows.front().size(); ++i) {
      std::vector<std::int64_t> extents(rows.front()[i].spec().shape.extents().begin(),
                                        rows.front()[i].spec().shape.extents().end());
      extents[0] = static_cast<std::int64_t>(rows.size());
      HostTensor whole({Shape(extents), rows.front()[i].spec().dtype});
      std::byte* to = whole.data();
      for (const auto& row : rows) {
        to = std::copy_n(row[i].data(), row[i].spec().bytes(), to);
      }
      joined.push_back(std::move(whole));
    }
    return joined;
  }

  World& world_;
  nn::Model model_;
  Plan plan_;
  PipelineOptions options_;
  std::optional<nn::Model> second_copy_;       // if the schedule has two
  std::deque<plan::Recomputing> recomputing_;  // of every copy, as the plan has it
  plan::Job train_;
  std::map<std::pair<int, bool>, plan::Job> forward_jobs_;  // by micro-batches, with loss
  std::vector<Tensor> blocks_;                              // of every rank, for the jobs' tensors
  ParameterSet parameters_;
  Timeline timeline_;
  bool has_sums_ = false;  // of a step, with no update since
  bool had_a_step_ = false;
  bool captured_ = false;
  Batch graph_batch_;
  plan::Step graph_step_;
  std::string failed_;
  std::vector<std::unique_ptr<plan::Executor>> executors_;
  std::unique_ptr<runtime::RankThreads> threads_;  // last: its threads use all of the above
};

Pipeline::Pipeline(World& world, nn::Model model, const Plan& plan, const PipelineOptions& options)
    : impl_(std::make_unique<Impl>(world, std::move(model), plan, options)) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;

StepResult Pipeline::forward_backward(const Batch& batch) { return impl_->forward_backward(batch); }
float Pipeline::evaluate(const Batch& batch) { return impl_->evaluate(batch); }
std::vector<HostTensor> Pipeline::forward(const std::vector<HostTensor>& inputs) {
  return impl_->forward(inputs);
}
const ParameterSet& Pipeline::parameters() const { return impl_->parameters(); }
const nn::Model& Pipeline::model() const { return impl_->model(); }
const Plan& Pipeline::plan() const { return impl_->plan(); }
std::uint32_t Pipeline::step() const { return impl_->step; }
void Pipeline::set_step(std::uint32_t step) { impl_->step = step; }
std::vector<float> Pipeline::read_back(std::size_t entry) const {
  return std::move(impl_->read_back(std::span(&entry, 1)).front());
}
void Pipeline::write(std::size_t entry, std::span<const float> values) {
  impl_->write(entry, values);
}
std::uint64_t Pipeline::weights_hash() const { return impl_->weights_hash(); }
const Timeline& Pipeline::timeline() const { return impl_->timeline(); }
MemoryUse Pipeline::step_memory(int rank) const { return impl_->step_memory(rank); }

}  // namespace lockflight
