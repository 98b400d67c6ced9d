// What lockflight train can be asked.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lockflight/schedule/schedule.h"
#include "lockflight/train/learning_rate.h"
#include "tools/model_options.h"
#include "tools/schedule_file.h"

namespace CLI {
class App;
}

namespace lockflight::tools {

/// What an update is made of: with the model and the data, all that the weights depend on.
struct UpdateOptions {
  std::int64_t steps = 1000;
  double learning_rate = 1e-3;
  double learning_rate_floor = 0;
  std::string learning_rate_shape = "cosine";
  std::optional<std::int64_t> warmup;  ///< none: a tenth of the steps, at most 100
  double clip = 1;                     ///< largest norm of all gradients; 0: no limit
  std::string optimizer = "adamw";
  std::optional<double> weight_decay;  ///< none: 0.1 with adamw, 0 with sgd
  double beta1 = 0.9;
  double beta2 = 0.95;
  double momentum = 0.9;
  int micro_batches = 8;
  std::int64_t micro_batch_rows = 4;
  std::uint64_t seed = 1;

  train::LearningRate learning_rates() const;
  double decay() const;
};

struct TrainOptions {
  std::string data;
  ModelOptions model;
  UpdateOptions update;

  int ranks = 2;
  std::optional<int> chunks;      ///< stages per rank; none: as few as the schedule allows
  std::string schedule = "1f1b";  ///< a name, or a file that ends in .csv
  GivenSize given;                ///< what of the size is no default
  std::optional<schedule::Schedule> own_schedule;  ///< what the file holds; see take_schedule_file
  int group = 0;                                   ///< micro-batches; 0: as many as ranks
  std::string split = "auto";
  std::string memory;               ///< of a rank, as parse_bytes reads it; empty: no limit
  std::string recompute = "never";  ///< or when-needed, always
  bool optimizer_in_schedule = false;
  std::string profile = "measure";  ///< measure, estimate, or a file
  bool dry_run = false;
  std::string device = "auto";
  int threads_per_rank = 1;
  std::string streams = "worker";
  std::optional<std::uint64_t> chaos_seed;
  bool cuda_graph = false;

  std::int64_t validate_every = 100;
  std::int64_t validation_rows = 64;
  std::int64_t log_every = 10;
  std::string checkpoint;
  std::int64_t save_every = 0;
  bool resume = false;
  std::int64_t stop_after = 0;  ///< a step, to be resumed later; 0: never
  std::string trace;
  std::int64_t trace_steps = 50;
  std::string loss_curve;
  std::string loss_log;
  std::string prompt;  ///< empty: a newline, or token 0
  std::int64_t sample_bytes = 200;
  bool json = false;
};

CLI::App* add_train(CLI::App& app, TrainOptions& options);

}  // namespace lockflight::tools
