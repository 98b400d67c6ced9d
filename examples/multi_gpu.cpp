// Trains a GPT on all GPUs of this machine, a stage on each; on the CPU where there is none.
//
//   multi_gpu TEXT-FILE [RANKS]

// [program]
#include <algorithm>
#include <iostream>
#include <string>

#include "lockflight/lockflight.h"

int main(int argc, char** argv) {
  using namespace lockflight;
  const CudaSupport cuda = cuda_support();
  if (!cuda.usable()) {
    std::cout << "runs on the CPU: " << cuda.why_not << '\n';
  }
  const int gpus = std::max<int>(2, static_cast<int>(cuda.devices.size()));
  const int ranks = argc > 2 ? std::stoi(argv[2]) : gpus;

  // NCCL where every rank has a GPU of its own, copies between devices where they share one.
  World world = World::threads(
      {.ranks = ranks, .device = cuda.usable() ? DeviceKind::cuda : DeviceKind::cpu});
  nn::Model model =
      nn::gpt2({.vocabulary = 256, .context = 32, .layers = 4, .heads = 2, .width = 32});
  Plan plan = make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = 2 * ranks});
  std::cout << plan;

  Pipeline pipeline(world, std::move(model), plan);
  train::AdamW optimizer(pipeline.parameters(), {.learning_rate = 3e-3F, .clip_norm = 1.0F});
  train::TextDataset data(argv[1], plan.batch(), {.context = 32, .validation_every = 0});
  for (std::uint32_t step = 0; step < 3; ++step) {
    StepResult result = pipeline.forward_backward(data.at(step));
    optimizer.step();
    std::cout << "step " << step << "  loss " << result.loss << '\n';
  }
}
// [program]
