#include "runtime/ranks.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "plan/copies.h"

namespace lockflight::runtime {
namespace {

// An abort is what a failure elsewhere has led to.
bool is_cause(const RankThreads::Failure& failure) {
  try {
    std::rethrow_exception(failure.error);
  } catch (const AbortedError&) {
    return false;
  } catch (...) {
    return true;
  }
}

}  // namespace

Ranks::Ranks(World& world, const std::vector<nn::Model*>& copies,
             const std::vector<StagePlan>& stages)
    : world_(world), blocks_(world.ranks()), threads_(world) {
  const std::size_t parts = stages.size() / copies.size();
  for (int rank = 0; rank < world.ranks(); ++rank) {
    // The last stages of two copies lie on two ranks.
    const nn::Model& copy = *copies[stages.back().rank == rank ? copies.size() - 1 : 0];
    executors_.push_back(
        std::make_unique<plan::Executor>(world.device(rank), world.transport(rank), copy.loss()));
    for (plan::TiedParameters& tie : plan::tied_parameters(copies, stages, rank)) {
      executors_.back()->add_tie(std::move(tie));
    }
  }
  for (std::size_t number = 0; number < stages.size(); ++number) {
    const StagePlan& stage = stages[number];
    const std::span<nn::NamedLayer> layers = copies[number / parts]->layers();
    executor(stage.rank)
        .add_stage(static_cast<int>(number),
                   plan::Stage(layers.subspan(stage.first_layer, stage.layers), stage.first_layer));
  }
}

void Ranks::run(const std::function<void(int)>& work) {
  if (!failed_.empty()) {
    throw Error(fmt::format("this pipeline failed before ({}); make a new world and a new pipeline",
                            failed_));
  }
  const auto failures = threads_.run(work);
  if (failures.empty()) {
    return;
  }
  const auto cause = std::ranges::find_if(failures, is_cause);
  rethrow(cause == failures.end() ? failures.front() : *cause);
}

void Ranks::on_each_rank(const std::function<void(RankContext&)>& work) {
  run([&](int rank) {
    RankContext here = context(rank);
    work(here);
  });
}

RankContext Ranks::context(int rank, Stream& stream, std::size_t step) {
  return {.rank = rank,
          .ranks = count(),
          .device = device(rank),
          .stream = stream,
          .transport = world_.transport(rank),
          .step = step};
}

void Ranks::make_room(const RankContext& context, std::size_t bytes) {
  Tensor& block = blocks_[context.rank];
  if (block && block.spec().bytes() >= bytes) {
    return;
  }
  block = Tensor();
  block = context.device.empty({{static_cast<std::int64_t>(bytes / sizeof(float))}});
  executor(context.rank).set_block(block);
}

void Ranks::end_steps() {
  for (const auto& executor : executors_) {
    executor->end_step();
  }
}

void Ranks::add_measured(Timeline& timeline) const {
  timeline.host_ns.resize(executors_.size());
  for (std::size_t rank = 0; rank < executors_.size(); ++rank) {
    const plan::Executor& executor = *executors_[rank];
    timeline.spans.insert(timeline.spans.end(), executor.spans().begin(), executor.spans().end());
    timeline.host_ns[rank] += executor.host_ns();
  }
}

// Turns it into the pipeline's own failure.
void Ranks::rethrow(const RankThreads::Failure& failure) {
  const auto device_failure = device(failure.rank).failure();
  const std::string action =
      device_failure ? executor(failure.rank).describe(device_failure->action) : "";
  const std::string place =
      fmt::format("rank {}{}{}", failure.rank, action.empty() ? "" : ", ", action);
  const auto said = [&](const std::exception& error) {
    return failed_ = fmt::format("{}: {}{}", place, error.what(),
                                 nccl_is_stuck()
                                     ? "; and NCCL did not come back from ending what was under "
                                       "way: end this process, nothing else frees its GPUs"
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

}  // namespace lockflight::runtime
