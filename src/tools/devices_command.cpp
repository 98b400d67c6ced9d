#include "tools/devices_command.h"

#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace lockflight::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string version(int number) {
  return number == 0 ? "none" : fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

double gibibytes(std::size_t bytes) { return static_cast<double>(bytes) / double{1 << 30}; }

std::string to_text(const CudaSupport& support) {
  std::string text = fmt::format("cpu     {} cores\n", std::thread::hardware_concurrency());
  for (const CudaDeviceInfo& info : support.devices) {
    text +=
        fmt::format("cuda:{}  {}, {:.1f} GiB, {} multiprocessors, compute capability {}.{}, {}\n",
                    info.number, info.name, gibibytes(info.memory_bytes), info.multiprocessors,
                    info.major, info.minor, info.bus);
    if (!info.reachable.empty()) {
      text +=
          fmt::format("        reaches cuda:{} directly\n", fmt::join(info.reachable, ", cuda:"));
    }
  }
  if (support.usable()) {
    return text + fmt::format("driver for CUDA {}, built for CUDA {}\n",
                              version(support.driver_version), version(support.runtime_version));
  }
  return text + fmt::format("cuda    cannot be used: {}\n", support.why_not);
}

}  // namespace

Json devices_as_json(const CudaSupport& support) {
  Json devices = Json::array();
  for (const CudaDeviceInfo& info : support.devices) {
    devices.push_back({{"number", info.number},
                       {"name", info.name},
                       {"compute_capability", fmt::format("{}.{}", info.major, info.minor)},
                       {"multiprocessors", info.multiprocessors},
                       {"memory_bytes", info.memory_bytes},
                       {"bus", info.bus},
                       {"reachable", info.reachable}});
  }
  return {{"cpu", {{"cores", std::thread::hardware_concurrency()}}},
          {"cuda",
           {{"usable", support.usable()},
            {"why_not", support.usable() ? Json() : Json(support.why_not)},
            {"driver", version(support.driver_version)},
            {"runtime", version(support.runtime_version)},
            {"devices", devices}}}};
}

void print_devices(const CudaSupport& support, bool json, const Console& console) {
  console.print(json ? devices_as_json(support).dump() + "\n" : to_text(support));
}

void run_devices(const DevicesOptions& options, const Console& console) {
  print_devices(cuda_support(), options.json, console);
}

}  // namespace lockflight::tools
