// What the command can be asked, as plain values, and how it is read from a command line.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench_options.h"
#include "tools/plan_options.h"
#include "tools/prove_options.h"
#include "tools/render_options.h"
#include "tools/sample_options.h"
#include "tools/schedule_options.h"
#include "tools/simulate_options.h"
#include "tools/train_options.h"

namespace lockflight::tools {

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
