// The machine's side of control.h, and what happens when the process ends.

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "virtual_gpu/control_table.h"
#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {
namespace {

constexpr int kReportsStatus = 86;

constexpr ControlTable kTable = {
    .take_reports =
        [] {
          const Lock lock;
          return machine().take_reports();
        },
    .set_order =
        [](const std::string& order) {
          const Lock lock;
          machine().scheduler.set_order(parse_order(order));
        },
    .set_patience =
        [](std::chrono::milliseconds patience) {
          const Lock lock;
          machine().config.patience = patience;
        },
    .set_memory =
        [](std::size_t bytes) {
          const Lock lock;
          machine().memory.set_limit(bytes);
        },
    .calls =
        [](const std::string& function) {
          const Lock lock;
          return machine().calls.count(function);
        },
    .all_calls =
        [] {
          const Lock lock;
          return machine().calls.all();
        },
    .fail_call =
        [](const std::string& function, std::int64_t nth, int code) {
          const Lock lock;
          machine().calls.fail(function, nth, code);
        },
    .clear_faults =
        [] {
          const Lock lock;
          machine().calls.clear_faults();
        },
    .failed_calls =
        [] {
          const Lock lock;
          return machine().calls.failed();
        },
};

void end_of_process() {
  Machine& m = machine();
  m.scheduler.stop_watching();
  const Lock lock;
  m.report_leaks();
  for (const Scheduler::Extension& extension : m.scheduler.extensions()) {
    extension.ended();
  }
  if (m.reports.count() > 0) {
    std::fprintf(stderr, "virtual gpu: %zu reports, so this process ends with status %d\n",
                 m.reports.count(), kReportsStatus);
    std::fflush(nullptr);
    _exit(kReportsStatus);
  }
}

// Registered before the program's own static objects are made, so it runs after they are gone.
[[gnu::constructor]] void at_load() { std::atexit(end_of_process); }

}  // namespace
}  // namespace virtual_gpu

const virtual_gpu::ControlTable* lockflight_virtual_gpu_control() { return &virtual_gpu::kTable; }
