// What the command can be asked, as plain values, and how it is read from a command line.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/schedule/schedule.h"
#include "lockflight/train/learning_rate.h"
#include "tools/bench_options.h"
#include "tools/model_options.h"
#include "tools/schedule_file.h"

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

struct SampleOptions {
  std::string checkpoint;
  std::string prompt;  ///< empty: a newline, or token 0
  std::int64_t bytes = 400;
  double temperature = 0.8;
  std::int64_t top_k = 0;  ///< 0: all
  std::uint64_t seed = 1;
  int ranks = 1;
  std::string device = "auto";
  int threads_per_rank = 1;
  bool json = false;
};

struct ScheduleOptions {
  std::string name;
  bool list = false;
  int ranks = 4;
  int micro_batches = 8;
  std::optional<int> chunks;  ///< stages per rank; none: as few as the schedule allows
  int group = 0;              ///< micro-batches; 0: as many as ranks
  std::string format = "grid";
};

struct ProveOptions {
  std::string file;
  std::string placement;  ///< loop, v, or a file with the rank of each stage; empty: any
  bool one_stream = false;
  bool json = false;
};

struct PlanCommandOptions {
  std::string named;               ///< a published model; empty: `model`
  std::int64_t named_context = 0;  ///< 0: as published
  ModelOptions model;
  int ranks = 4;
  std::optional<int> chunks;
  std::string schedule = "1f1b";                   ///< a name, or a file that ends in .csv
  GivenSize given;                                 ///< what of the size is no default
  std::optional<schedule::Schedule> own_schedule;  ///< what the file holds; see take_schedule_file
  int group = 0;
  std::string split = "auto";
  int micro_batches = 8;
  std::int64_t micro_batch_rows = 1;
  std::string memory;               ///< empty: of the device
  std::string recompute = "never";  ///< or when-needed, always
  bool optimizer_in_schedule = false;
  std::string device_profile = "h100";
  std::string optimizer = "adamw";
  std::string save_schedule;  ///< a CSV file; empty: none
  bool json = false;
};

/// Times are those of a rank for one micro-batch, which its stages share equally, in any one unit.
struct SimulateOptions {
  std::string schedule;              ///< a name, or a file that ends in .csv
  std::optional<int> ranks;          ///< none: what the file has, or 4
  std::optional<int> micro_batches;  ///< none: what the file has, or 8
  std::optional<int> chunks;         ///< stages per rank; none: what the file or schedule has
  std::optional<int> group;          ///< micro-batches; none: as many as ranks
  double forward = 1;
  double input_gradient = 1;
  double weight_gradient = 1;
  double recompute = 0;  ///< of the input gradient, what an R takes over; 0: there is no R
  double transfer = 0;   ///< of one boundary from rank to rank
  double host = 0;       ///< for a host to enqueue an action
  int steps = 1;         ///< in a row
  bool optimizer_in_schedule = false;
  bool json = false;
};

struct RenderOptions {
  SimulateOptions step;     ///< what to draw, and its times
  PlanCommandOptions plan;  ///< or the model and devices that give times and bytes; its size is of
                            ///< no use
  bool planned = false;     ///< which of them: options of the model or the plan are given
  std::string out;          ///< empty: standard output
  bool transfers = false;
  bool json = false;
};

struct DevicesOptions {
  bool json = false;
};

enum class Command : std::uint8_t {
  help,
  train,
  plan,
  sample,
  schedule,
  prove,
  simulate,
  render,
  devices,
  bench
};

/// One of these; the options of the others are not looked at.
struct Invocation {
  Command command = Command::help;
  std::string help;  ///< what to print for Command::help: the help, or the version
  TrainOptions train;
  SampleOptions sample;
  ScheduleOptions schedule;
  ProveOptions prove;
  PlanCommandOptions plan;
  SimulateOptions simulate;
  RenderOptions render;
  DevicesOptions devices;
  BenchOptions bench;
};

/// Reads the words after the program's name, and the file that --config names: what stands on the
/// command line overrides the file, and both override the defaults given here.
/// Throws InvalidArgument for anything that is no option or no value of one, FileError if the file
/// of --config cannot be read.
Invocation parse(const std::vector<std::string>& arguments,
                 const TrainOptions& train_defaults = {});

}  // namespace lockflight::tools
