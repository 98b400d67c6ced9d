#include "tools/command.h"

#include <ostream>

#include "tools/bench_command.h"
#include "tools/devices_command.h"
#include "tools/exit_code.h"
#include "tools/options.h"
#include "tools/plan_command.h"
#include "tools/prove_command.h"
#include "tools/render_command.h"
#include "tools/sample_command.h"
#include "tools/schedule_command.h"
#include "tools/simulate_command.h"
#include "tools/train_command.h"

namespace lockflight::tools {
namespace {

int run(const std::vector<std::string>& arguments, const Console& console) {
  const Invocation invocation = parse(arguments);
  switch (invocation.command) {
    case Command::help:
      console.print(invocation.help);
      break;
    case Command::train:
      return run_train(arguments, invocation.train, console);
    case Command::plan:
      return run_plan(invocation.plan, console);
    case Command::sample:
      run_sample(invocation.sample, console);
      break;
    case Command::schedule:
      run_schedule(invocation.schedule, console);
      break;
    case Command::prove:
      return run_prove(invocation.prove, console);
    case Command::simulate:
      run_simulate(invocation.simulate, console);
      break;
    case Command::render:
      run_render(invocation.render, console);
      break;
    case Command::devices:
      run_devices(invocation.devices, console);
      break;
    case Command::bench:
      run_bench(invocation.bench, console);
      break;
  }
  return static_cast<int>(ExitCode::success);
}

}  // namespace

int run_command(const std::vector<std::string>& arguments, const Console& console,
                std::ostream& err) {
  try {
    return run(arguments, console);
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    write_failure(err, failure);
    return static_cast<int>(exit_code_of(failure));
  }
}

}  // namespace lockflight::tools
