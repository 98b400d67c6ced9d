// What control.h finds in the machine's library.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "virtual_gpu/control.h"

namespace virtual_gpu {

struct ControlTable {
  std::vector<Report> (*take_reports)();
  void (*set_order)(const std::string& order);
  void (*set_patience)(std::chrono::milliseconds patience);
  void (*set_memory)(std::size_t bytes);
  std::int64_t (*calls)(const std::string& function);
  std::map<std::string, std::int64_t> (*all_calls)();
  void (*fail_call)(const std::string& function, std::int64_t nth, int code);
  void (*clear_faults)();
  std::int64_t (*failed_calls)();
};

}  // namespace virtual_gpu

extern "C" const virtual_gpu::ControlTable* lockflight_virtual_gpu_control();
