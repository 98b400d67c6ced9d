#include "virtual_gpu/control.h"

#include <dlfcn.h>

#include "virtual_gpu/control_table.h"

namespace virtual_gpu {
namespace {

const ControlTable* table() {
  static const ControlTable* const found = [] {
    const auto get = reinterpret_cast<decltype(&lockflight_virtual_gpu_control)>(
        dlsym(RTLD_DEFAULT, "lockflight_virtual_gpu_control"));
    return get == nullptr ? nullptr : get();
  }();
  return found;
}

}  // namespace

bool present() { return table() != nullptr; }
std::vector<Report> take_reports() { return table()->take_reports(); }
void set_order(const std::string& order) { table()->set_order(order); }
void set_patience(std::chrono::milliseconds patience) { table()->set_patience(patience); }
void set_memory(std::size_t bytes) { table()->set_memory(bytes); }
std::int64_t calls(const std::string& function) { return table()->calls(function); }
std::map<std::string, std::int64_t> all_calls() { return table()->all_calls(); }
void fail_call(const std::string& function, std::int64_t nth, int code) {
  table()->fail_call(function, nth, code);
}
void clear_faults() { table()->clear_faults(); }
std::int64_t failed_calls() { return table()->failed_calls(); }

}  // namespace virtual_gpu
