#include "lockflight/runtime/pipeline.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "lockflight/plan/prove.h"
#include "plan/executor.h"
#include "plan/job.h"
#include "plan/links.h"
#include "plan/memory.h"
#include "plan/recomputing.h"
#include "runtime/host_rows.h"
#include "runtime/parameter_values.h"
#include "runtime/pipeline_checks.h"
#include "runtime/ranks.h"
#include "runtime/step_graph.h"
#include "runtime/update_phase.h"

namespace lockflight {
namespace {

float mean(const std::vector<float>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0F) / static_cast<float>(losses.size());
}

StepResult result_of(std::vector<float> losses) {
  return {.loss = mean(losses), .micro_batch_losses = std::move(losses)};
}

// Reserves what a rank's memory takes.  The first compute stream has its part already.
void reserve(const RankContext& context, const RankMemory& memory) {
  const std::size_t taken = plan::stream_workspace_bytes(context.device.kind());
  context.device.reserve(memory.arena_bytes() - std::min(memory.workspace_bytes, taken));
}

}  // namespace

class Pipeline::Impl {
 public:
  Impl(World& world, nn::Model model, const Plan& plan, const PipelineOptions& options)
      : model_(std::move(model)), plan_(plan), options_(options) {
    runtime::check_ranks(plan_, world);
    runtime::check_layers(model_, plan_);
    if (plan_.schedule.placement.copies() == 2) {
      second_copy_.emplace(model_.again());
    }
    const std::vector<nn::Model*> copies = this->copies();
    for (nn::Model* copy : copies) {
      recomputing_.emplace_back(*copy, plan::recomputed_layers(*copy, plan_.stages));
    }
    if (options_.proved) {
      plan::check_proved(plan_.program);
    }
    train_ = plan::training_job(model_, plan_);
    plan::lay_out(model_, plan_.stages, train_);
    if (options_.cuda_graph) {
      runtime::check_graph(world, model_, train_, options_);
    }
    list_parameters();
    runtime::check_memory(plan_, train_, parameters_.entries_);
    ranks_.emplace(world, copies, plan_.stages);
    ranks_->on_each_rank([this](RankContext& context) {
      const RankMemory& memory = plan_.memory[context.rank];
      reserve(context, memory);
      context.transport.connect(plan::links_of(train_.program, context.rank));
      runtime::materialize(context, parameters_.entries_, options_.seed);
      ranks_->make_room(context, memory.step_bytes);
    });
  }

  ~Impl() {
    for (const ParameterSet::Entry& entry : parameters_.entries_) {
      entry.parameter->dematerialize();
    }
  }

  StepResult forward_backward(const Batch& batch) {
    check_step(batch);
    timeline_ = {.ranks = ranks_->count()};
    std::vector<float> losses = losses_of(batch, 0);
    collect_timeline();
    return result_of(std::move(losses));
  }

  float evaluate(const Batch& batch) {
    const std::int64_t micro_rows = plan_.batch_shape.micro_batch_rows;
    const std::int64_t rows = runtime::rows_of(batch.inputs);
    runtime::check_micro_batches("evaluate", rows, micro_rows);
    runtime::check_batch("evaluate", batch, model_.rows(), rows);
    const plan::Job& job = forward_job(
        {.micro_batch_rows = micro_rows, .micro_batches = static_cast<int>(rows / micro_rows)});
    plan::Step step_data = make_step(job, batch.inputs, &batch.targets, false);
    run_step(job, step_data);
    return mean(step_data.losses);
  }

  std::vector<HostTensor> forward(const std::vector<HostTensor>& inputs) {
    const std::int64_t rows = runtime::rows_of(inputs);
    runtime::check_rows("forward: inputs", inputs, model_.rows().inputs,
                        std::max<std::int64_t>(rows, 1));
    const plan::Job& job =
        forward_job({.micro_batches = static_cast<int>(rows), .with_loss = false});
    plan::Step step_data = make_step(job, inputs, nullptr, false);
    run_step(job, step_data);
    return runtime::join_rows(step_data.outputs);
  }

  void update(const UpdateWork& work, std::size_t number = 0) {
    ranks_->run([&](int rank) {
      const plan::Update update = runtime::update_of(work, train_.program, *ranks_, rank, number);
      ranks_->executor(rank).enqueue_update(train_.program, update);
    });
    has_sums_ = false;
  }

  std::vector<StepResult> train(std::span<const StepInput> inputs, const UpdateWork& work) {
    for (const StepInput& input : inputs) {
      check_step(*input.batch);
    }
    timeline_ = {.ranks = ranks_->count()};
    return parameters_.in_schedule() ? train_in_a_row(inputs, work) : train_apart(inputs, work);
  }

  std::vector<std::vector<float>> read_back(std::span<const std::size_t> entries) {
    return runtime::read_back(*ranks_, parameters_.entries_, entries);
  }
  void write(std::size_t number, std::span<const float> values) {
    runtime::write(*ranks_, parameters_.entries_, number, values);
  }
  std::uint64_t weights_hash() { return runtime::hash_of(*ranks_, parameters_.entries_); }

  const nn::Model& model() const { return model_; }
  const Plan& plan() const { return plan_; }
  const ParameterSet& parameters() const { return parameters_; }
  const Timeline& timeline() const { return timeline_; }
  MemoryUse step_memory(int rank) { return ranks_->executor(rank).planned_use(); }

  std::uint32_t step = 0;

 private:
  void list_parameters() {
    parameters_.on_each_rank_ = [this](const auto& work) { ranks_->on_each_rank(work); };
    parameters_.update_ = [this](const UpdateWork& work) { update(work); };
    parameters_.train_ = [this](const auto& steps, const auto& work) { return train(steps, work); };
    parameters_.step_ = &step;
    parameters_.ranks_ = plan_.ranks();
    parameters_.in_schedule_ = plan::validates(train_.program);
    parameters_.entries_ = runtime::list_parameters(copies(), plan_.stages);
  }

  std::vector<nn::Model*> copies() {
    std::vector<nn::Model*> copies = {&model_};
    if (second_copy_) {
      copies.push_back(&*second_copy_);
    }
    return copies;
  }

  void check_step(const Batch& batch) const {
    runtime::check_batch("forward_backward", batch, model_.rows(), plan_.batch_shape.rows());
  }

  // Ends early, with the step whose update is refused.
  std::vector<StepResult> train_apart(std::span<const StepInput> inputs, const UpdateWork& work) {
    std::vector<StepResult> results;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      results.push_back(result_of(losses_of(*inputs[i].batch, i)));
      collect_timeline();
      update(work, i);
      if (work.verdict(ranks_->context(0)) == plan::Verdict::refused) {
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
    std::vector<std::size_t> done(static_cast<std::size_t>(ranks_->count()));
    ranks_->run([&](int rank) {
      done[rank] = runtime::train_in_a_row(*ranks_, rank, train_, steps, work);
    });
    has_sums_ = false;
    ranks_->end_steps();
    collect_timeline();
    std::vector<StepResult> results;
    for (std::size_t i = 0; i < done.front(); ++i) {
      results.push_back(result_of(std::move(steps[i].losses)));
    }
    return results;
  }

  // Made at the first use of its size, with room for it.
  const plan::Job& forward_job(const plan::ForwardSize& size) {
    const auto [place, is_new] = forward_jobs_.try_emplace({size.micro_batches, size.with_loss});
    plan::Job& job = place->second;
    if (is_new) {
      job = plan::forward_job(model_, plan_, size);
      plan::lay_out(model_, plan_.stages, job);
      graph_.forget();  // blocks may move, and ranks capture together
      ranks_->on_each_rank([&](RankContext& context) {
        ranks_->executor(context.rank).give_graph_back();
        ranks_->make_room(context, job.layouts[context.rank].bytes);
      });
    }
    return job;
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
    ranks_->run([&](int rank) { ranks_->executor(rank).enqueue(job, step_data); });
    ranks_->end_steps();
  }

  // After a step, what is tied has the same sum at all its ends.  Where another step comes before
  // an update, only the first end may keep it, or it would count again.
  void keep_sums_once() {
    if (std::exchange(has_sums_, true)) {
      ranks_->on_each_rank([this](RankContext& context) {
        runtime::forget_tied_gradients(context, parameters_.entries_);
      });
    }
  }

  std::vector<float> losses_of(const Batch& batch, std::size_t ahead) {
    keep_sums_once();
    // CUDA loads kernels and cuBLASLt chooses algorithms in the first step: no work for a graph.
    if (options_.cuda_graph && std::exchange(had_a_step_, true)) {
      return graph_.run(*ranks_, train_, batch, options_.seed);
    }
    plan::Step step_data = make_step(batch, ahead);
    run_step(train_, step_data);
    return std::move(step_data.losses);
  }

  void collect_timeline() {
    if (options_.timeline) {
      ranks_->add_measured(timeline_);
    }
  }

  nn::Model model_;
  Plan plan_;
  PipelineOptions options_;
  std::optional<nn::Model> second_copy_;       // if the schedule has two
  std::deque<plan::Recomputing> recomputing_;  // of every copy, as the plan has it
  plan::Job train_;
  std::map<std::pair<int, bool>, plan::Job> forward_jobs_;  // by micro-batches, with loss
  ParameterSet parameters_;
  Timeline timeline_;
  bool has_sums_ = false;  // of a step, with no update since
  bool had_a_step_ = false;
  runtime::StepGraph graph_;
  std::optional<runtime::Ranks> ranks_;  // last: they use all of the above
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
