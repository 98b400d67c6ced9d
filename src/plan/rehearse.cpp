#include "plan/rehearse.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "lockflight/plan/dry_run.h"
#include "plan/executor.h"
#include "plan/materialized.h"

namespace lockflight::plan {
namespace {

// A transport on which nothing travels.
class MetaTransport final : public Transport {
 public:
  MetaTransport(int rank, int ranks) : rank_(rank), ranks_(ranks) {}

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  void connect(const Links& /*links*/) override {}
  void send(Stream& /*stream*/, const TensorView& /*from*/, const Route& /*route*/) override {}
  void recv(Stream& /*stream*/, const TensorView& /*to*/, const Route& /*route*/) override {}
  void all_reduce(Stream& /*stream*/, const TensorView& /*values*/,
                  const std::vector<int>& /*members*/, int /*channel*/) override {}
  void abort(const std::string& /*reason*/) override {}

 private:
  int rank_;
  int ranks_;
};

std::vector<HostTensor> all_rows(const std::vector<TensorSpec>& rows, std::int64_t count) {
  std::vector<HostTensor> tensors;
  for (const TensorSpec& row : rows) {
    tensors.emplace_back(with_rows(row, count));
  }
  return tensors;
}

}  // namespace

Rehearsal rehearse(nn::Model& model, const std::vector<StagePlan>& stages, const Job& job) {
  const auto home = make_meta_device();
  const auto home_stream = home->make_stream(StreamRole::compute);
  const Materialized materialized(model, *home, *home_stream);
  const int ranks = job.program.placement.ranks();
  const std::int64_t rows = job.micro_batch_rows * job.program.micro_batches;
  const std::vector<HostTensor> inputs = all_rows(model.rows().inputs, rows);
  const std::vector<HostTensor> targets = all_rows(model.rows().targets, rows);
  const std::span<nn::NamedLayer> layers = model.layers();

  Rehearsal rehearsal;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto device = make_meta_device({.record_buffers = true});
    MetaTransport transport(rank, ranks);
    Executor executor(*device, transport, model.loss());
    for (std::size_t number = 0; number < stages.size(); ++number) {
      const StagePlan& stage = stages[number];
      if (stage.rank == rank) {
        executor.add_stage(
            static_cast<int>(number),
            Stage(layers.subspan(stage.first_layer, stage.layers), stage.first_layer));
      }
    }
    const std::vector<nn::Model*> copies(job.program.placement.copies(), &model);
    for (TiedParameters& tie : tied_parameters(copies, stages, rank)) {
      executor.add_tie(std::move(tie));
    }
    Step step{.inputs = &inputs, .targets = &targets};
    step.losses.resize(job.with_loss ? job.program.micro_batches : 0);
    step.outputs.resize(job.with_loss ? 0 : job.program.micro_batches);
    executor.enqueue(job, step);
    executor.end_step();
    rehearsal.buffers.push_back(take_buffers(*device));
    if (executor.drawing_layer()) {
      rehearsal.drawing_layer = executor.drawing_layer();
    }
  }
  return rehearsal;
}

}  // namespace lockflight::plan
