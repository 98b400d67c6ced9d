// The smallest program that trains: a GPT on two ranks, from a text file.
//
//   first_program TEXT-FILE

// [program]
#include <iostream>

#include "lockflight/lockflight.h"

int main(int argc, char** argv) {
  using namespace lockflight;
  World world = World::threads({.ranks = 2});
  nn::Model model = nn::gpt2(
      {.vocabulary = 256, .context = 64, .layers = 2, .heads = 4, .width = 64, .dropout = 0.1F});

  Plan plan =
      make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = 8, .schedule = "1f1b"});
  std::cout << plan;

  Pipeline pipeline(world, std::move(model), plan);
  train::AdamW optimizer(pipeline.parameters(), {.learning_rate = 3e-3F});
  train::TextDataset data(argc > 1 ? argv[1] : "input.txt", plan.batch(),
                          {.context = 64, .validation_every = 0});
  for (std::uint32_t step = 0; step < 20; ++step) {
    StepResult result = pipeline.forward_backward(data.at(step));
    optimizer.step();
    std::cout << "step " << step << "  loss " << result.loss << '\n';
  }
}
// [program]
