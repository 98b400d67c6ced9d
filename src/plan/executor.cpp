#include "plan/executor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/elementwise.h"

namespace lockflight::plan {

using schedule::ActionKind;

namespace {

using Clock = std::chrono::steady_clock;

// The device hands out planned places while this lives.
class PlannedPlaces {
 public:
  PlannedPlaces(Device& device, PlannedMemory* memory) : device_(device) { device.use(memory); }
  ~PlannedPlaces() { device_.use(nullptr); }
  PlannedPlaces(const PlannedPlaces&) = delete;
  PlannedPlaces& operator=(const PlannedPlaces&) = delete;

 private:
  Device& device_;
};

// What is enqueued while this lives lies in a profiler's range that is named like the action.
class Range {
 public:
  Range(Device& device, const Instruction& instruction)
      : device_(device.shows_ranges() ? &device : nullptr) {
    if (device_ != nullptr) {
      device_->begin_range(schedule::to_string(instruction.action));
    }
  }
  ~Range() {
    if (device_ != nullptr) {
      device_->end_range();
    }
  }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

 private:
  Device* const device_;
};

}  // namespace

Executor::Executor(Device& device, Transport& transport, nn::Loss& loss)
    : device_(device),
      transport_(transport),
      loss_(loss),
      compute_(device.make_stream(StreamRole::compute)) {}

void Executor::enqueue(const Job& job, Step& step) {
  begin_row();
  enqueue_prologue(job, step);
  enqueue_rest();
}

void Executor::enqueue_prologue(const Job& job, Step& step) {
  end_step();
  memory_.reset();
  if (!job.layouts.empty()) {
    memory_.emplace(block_.data(), job.layouts[transport_.rank()].places);
  }
  bind(job.program);  // streams that it makes have memory of their own
  begin(job, step);
  while (!spans_.empty() && spans_.back().step == step.number) {
    spans_.pop_back();  // those that are thrown away
  }
  enqueue_before_update(0, program_->prologue);
}

void Executor::enqueue_rest() {
  enqueue_before_update(program_->prologue, update_phase(*program_));
  for (const int stage : losses_ ? last_stages() : std::vector<int>()) {
    const auto [first, end] =
        job_->program.placement.micro_batches_of(stage, job_->program.micro_batches);
    compute_->download(step_->losses.data() + first, losses_.view().slice(first, end - first));
  }
}

void Executor::enqueue_before_update(std::size_t begin, std::size_t end) {
  const auto begin_time = Clock::now();
  const PlannedPlaces places(device_, memory_ ? &*memory_ : nullptr);
  run_from(begin, end);
  host_ns_ += std::chrono::nanoseconds(Clock::now() - begin_time).count();
}

void Executor::capture(const Job& job, Step& step) {
  bind(job.program);
  std::vector<Stream*> streams = {compute_.get()};
  for (const auto& [channel, stream] : streams_by_channel_) {
    streams.push_back(stream.get());
  }
  graph_ = device_.capture(streams, [&] { enqueue(job, step); });
}

void Executor::enqueue_update(const Program& program, const Update& update) {
  const RankProgram& rank = program.ranks[transport_.rank()];
  enqueue_update_phase(program, update, update_phase(rank), rank.instructions.size());
}

void Executor::enqueue_eager_update(const Program& program, const Update& update) {
  const RankProgram& rank = program.ranks[transport_.rank()];
  enqueue_update_phase(program, update, update_phase(rank), validation_phase(rank));
}

void Executor::enqueue_validation(const Program& program, const Update& update) {
  const RankProgram& rank = program.ranks[transport_.rank()];
  enqueue_update_phase(program, update, validation_phase(rank), rank.instructions.size());
}

void Executor::enqueue_update_phase(const Program& program, const Update& update, std::size_t begin,
                                    std::size_t end) {
  bind(program);
  update_ = &update;
  run_from(begin, end);
}

Event& Executor::verdict(const Program& program) {
  return *events_[program.ranks[transport_.rank()].instructions.back().event];
}

void Executor::run_from(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    const auto mark = static_cast<std::int32_t>(i);
    device_.mark(mark);
    try {
      run(program_->instructions[i]);
    } catch (...) {
      device_.fail(std::current_exception(), mark);
      throw;
    }
  }
  device_.mark(-1);
}

void Executor::begin(const Job& job, Step& step) {
  job_ = &job;
  step_ = &step;
  slots_.clear();
  slots_.resize(program_->slots.size());
  for (auto& [number, stage] : stages_) {
    stage.begin_step(job.program.micro_batches);
  }
  if (job.with_loss && !last_stages().empty()) {
    const PlannedPlaces places(device_, memory_ ? &*memory_ : nullptr);
    losses_ = device_.empty({{job.program.micro_batches}, DType::f32});
  }
}

// Of this rank, those that end a copy of the model.
std::vector<int> Executor::last_stages() const {
  const schedule::Placement& placement = job_->program.placement;
  std::vector<int> last;
  for (const int stage : placement.stages_of(transport_.rank())) {
    if (placement.ends_copy(stage)) {
      last.push_back(stage);
    }
  }
  return last;
}

void Executor::bind(const Program& program) {
  program_ = &program.ranks[transport_.rank()];
  others_.assign(program_->streams.size(), nullptr);
  for (std::size_t i = 1; i < program_->streams.size(); ++i) {
    const StreamUse& use = program_->streams[i];
    auto& stream = streams_by_channel_[use.channel];
    if (!stream) {
      stream = device_.make_stream(computes(use) ? StreamRole::compute : StreamRole::transfer);
    }
    others_[i] = stream.get();
  }
  while (events_.size() < static_cast<std::size_t>(program_->events)) {
    events_.push_back(device_.make_event());
  }
}

void Executor::end_step() {
  slots_.clear();
  kept_alive_.clear();
  losses_ = Tensor();
  for (auto& [number, stage] : stages_) {
    stage.begin_step(0);
  }
}

void Executor::run(const Instruction& instruction) {
  switch (instruction.opcode) {
    case Opcode::compute:
      return compute(instruction);
    case Opcode::allocate:
      return allocate(instruction.slot);
    case Opcode::send:
      return transfer(instruction, true);
    case Opcode::recv:
      return transfer(instruction, false);
    case Opcode::record:
      return stream(instruction.stream).record(*events_[instruction.event]);
    case Opcode::wait:
      return stream(instruction.stream).wait(*events_[instruction.event]);
    case Opcode::release:
      slots_[instruction.slot].clear();
      return;
    case Opcode::reduce_tied:
      return reduce_tied(instruction);
    case Opcode::send_sums:
    case Opcode::recv_sums:
      return transfer_sums(instruction);
    case Opcode::gradient_norm:
    case Opcode::gradient_sums:
    case Opcode::add_sums:
    case Opcode::read_sums:
    case Opcode::update:
    case Opcode::validate:
      return update_->run(instruction.opcode, stream(instruction.stream));
  }
}

TimelineSpan* Executor::begin_span(const Instruction& instruction) {
  if (!step_->timeline) {
    return nullptr;
  }
  TimelineSpan& span =
      spans_.emplace_back(TimelineSpan{.rank = transport_.rank(),
                                       .stream = instruction.stream,
                                       .action = instruction.action,
                                       .peer = instruction.peer,
                                       .channel = program_->streams[instruction.stream].channel,
                                       .step = step_->number});
  stream(instruction.stream).time(&span.begin_ns);
  return &span;
}

void Executor::end_span(const Instruction& instruction, TimelineSpan* span) {
  if (span != nullptr) {
    stream(instruction.stream).time(&span->end_ns);
  }
}

void Executor::compute(const Instruction& instruction) {
  const schedule::Action& action = instruction.action;
  Stage& stage = stages_.at(action.stage);
  nn::Context context(stream(instruction.stream));
  context.note_draws(&drawing_layer_);
  context.training = job_->training;
  context.seed = step_->seed;
  context.step = step_->number;
  context.micro_batch = static_cast<std::uint32_t>(action.micro_batch);
  const Range range(device_, instruction);
  TimelineSpan* span = begin_span(instruction);
  if (action.kind == ActionKind::forward) {
    forward(instruction, context);
  } else if (action.kind == ActionKind::weight_gradient) {
    stage.backward_weight(context);
  } else if (action.kind == ActionKind::recompute) {
    stage.recompute(context);
  } else {
    Tensors gradients =
        instruction.slot < 0 ? Tensors() : std::exchange(slots_[instruction.slot], {});
    nn::Loss* loss = instruction.slot < 0 ? &loss_ : nullptr;
    Tensors input_gradients = action.kind == ActionKind::backward
                                  ? stage.backward(context, std::move(gradients), loss)
                                  : stage.backward_input(context, std::move(gradients), loss);
    if (instruction.output >= 0) {
      slots_[instruction.output] = std::move(input_gradients);
    }
  }
  end_span(instruction, span);
}

void Executor::forward(const Instruction& instruction, nn::Context& context) {
  const int micro_batch = instruction.action.micro_batch;
  Stage& stage = stages_.at(instruction.action.stage);
  Tensors inputs = instruction.slot < 0 ? upload(context.stream(), *step_->inputs, micro_batch)
                                        : std::exchange(slots_[instruction.slot], {});
  const bool last = job_->program.placement.ends_copy(instruction.action.stage);
  if (!last || !job_->with_loss) {
    Tensors outputs = stage.forward(context, std::move(inputs), nullptr, job_->training);
    if (!last) {
      slots_[instruction.output] = std::move(outputs);
    } else {
      download_outputs(context.stream(), outputs, micro_batch);
      kept_alive_.push_back(std::move(outputs));
    }
    return;
  }
  const Tensors targets = upload(context.stream(), *step_->targets, micro_batch);
  const std::vector<TensorView> target_views(targets.begin(), targets.end());
  const LossInputs loss{.loss = &loss_,
                        .targets = target_views,
                        .scale = 1.0F / static_cast<float>(job_->program.micro_batches),
                        .value = losses_.view().slice(micro_batch, 1).reshaped({})};
  stage.forward(context, std::move(inputs), &loss, job_->training);
}

Tensors Executor::upload(Stream& stream, const std::vector<HostTensor>& rows, int micro_batch) {
  Tensors tensors;
  for (const HostTensor& host : rows) {
    std::array<std::int64_t, Shape::kMaxRank> extents{};
    std::ranges::copy(host.spec().shape.extents(), extents.begin());
    extents[0] = job_->micro_batch_rows;
    const TensorSpec spec{
        Shape(std::span<const std::int64_t>(extents.data(), host.spec().shape.rank())),
        host.spec().dtype};
    Tensor tensor = device_.empty(spec);
    stream.upload(tensor, host.data() + static_cast<std::size_t>(micro_batch) * spec.bytes());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void Executor::download_outputs(Stream& stream, const Tensors& outputs, int micro_batch) {
  std::vector<HostTensor>& to = step_->outputs[micro_batch];
  for (const Tensor& output : outputs) {
    to.emplace_back(output.spec());
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    stream.download(to[i].data(), outputs[i]);
  }
}

// Integers (tokens that are passed along) have no gradient.
std::vector<TensorSpec> Executor::specs_of(const Boundary& boundary) const {
  std::vector<TensorSpec> specs = job_->boundaries[boundary.stage];
  if (boundary.kind == Boundary::Kind::gradient) {
    std::erase_if(specs, [](const TensorSpec& spec) { return spec.dtype == DType::i32; });
  }
  return specs;
}

void Executor::allocate(int slot) {
  for (const TensorSpec& spec : specs_of(program_->slots[slot])) {
    slots_[slot].push_back(device_.empty(spec));
  }
}

void Executor::transfer(const Instruction& instruction, bool sends) {
  const Boundary& boundary = program_->slots[instruction.slot];
  const std::vector<TensorSpec> specs = specs_of(boundary);
  Tensors& tensors = slots_[instruction.slot];
  if (tensors.size() != specs.size()) {
    throw InvalidArgument(fmt::format("{}: {} tensors cross this boundary, the layers gave {}",
                                      to_string(instruction), specs.size(), tensors.size()));
  }
  Stream& stream = this->stream(instruction.stream);
  const Route route{.peer = instruction.peer,
                    .channel = program_->streams[instruction.stream].channel,
                    .tag = boundary.micro_batch};
  const Range range(device_, instruction);
  TimelineSpan* span = begin_span(instruction);
  for (const Tensor& tensor : tensors) {
    if (sends) {
      transport_.send(stream, tensor, route);
    } else {
      transport_.recv(stream, tensor, route);
    }
  }
  end_span(instruction, span);
}

void Executor::reduce_tied(const Instruction& instruction) {
  const TiedParameters& tie = ties_[instruction.slot];
  if (instruction.peer < 0) {
    for (std::size_t i = 0; i < tie.first.size(); ++i) {
      ops::accumulate(*compute_, tie.first[i]->grad(), tie.second[i]->grad());
      ops::copy(*compute_, tie.second[i]->grad(), tie.first[i]->grad());
    }
    return;
  }
  const auto [low, high] = std::minmax({transport_.rank(), instruction.peer});
  for (const nn::Parameter* mine : tie.first.empty() ? tie.second : tie.first) {
    transport_.all_reduce(stream(instruction.stream), mine->grad(), {low, high},
                          program_->streams[instruction.stream].channel);
  }
}

void Executor::transfer_sums(const Instruction& instruction) {
  const Route route{.peer = instruction.peer,
                    .channel = program_->streams[instruction.stream].channel};
  const bool behind = instruction.peer > transport_.rank();
  if (instruction.opcode == Opcode::send_sums) {
    transport_.send(stream(instruction.stream), behind ? update_->sums.known : update_->sums.all,
                    route);
  } else {
    transport_.recv(stream(instruction.stream), behind ? update_->sums.all : update_->sums.received,
                    route);
  }
}

std::string Executor::describe(std::int32_t mark) const {
  if (program_ == nullptr || mark < 0 ||
      mark >= static_cast<std::int32_t>(program_->instructions.size())) {
    return {};
  }
  const Instruction& instruction = program_->instructions[mark];
  return fmt::format("action {} ({})", mark,
                     instruction.opcode == Opcode::compute ? schedule::to_string(instruction.action)
                                                           : to_string(instruction));
}

}  // namespace lockflight::plan
