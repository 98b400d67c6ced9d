#include "tools/bench_machine.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "lockflight/comm/world.h"
#include "tools/device_choice.h"
#include "tools/run_settings.h"

namespace lockflight::tools {
namespace {

// As CUDA names them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kKnown = {{
    {"NVIDIA H100 80GB HBM3", "h100-sxm"},
    {"NVIDIA A100-SXM4-80GB", "a100-80gb"},
    {"NVIDIA A100 80GB PCIe", "a100-80gb"},
}};

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "a processor without a name";
}

// 22805 is 2.28.5, 130002 is 13.0.2.
std::string version_text(int number) {
  return fmt::format("{}.{}.{}", number / 10000, number % 10000 / 100, number % 100);
}

// Of all of them, or none.
std::string common_name(const CudaSupport& support) {
  const std::string& first = support.devices.front().name;
  const bool same = std::ranges::all_of(
      support.devices, [&](const CudaDeviceInfo& info) { return info.name == first; });
  return same ? first : std::string();
}

void find_peak(const BenchOptions& options, BenchMachine& machine) {
  if (machine.emulated) {
    machine.why_no_peak = "an emulated device has no peak";
    return;
  }
  const auto profile = profile_of(options, machine.kind, machine.cuda);
  if (!profile) {
    machine.why_no_peak =
        fmt::format("no device profile is known for {}; give one with --device-profile",
                    machine.devices.front());
    return;
  }
  const double flops = profile->flops_per_second({.matrix = true}, dtype_of(options.model));
  machine.peak = Peak{.profile = profile->name, .flops_per_second = flops};
}

}  // namespace

bool is_emulated(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("virtual") != std::string::npos;
}

std::optional<plan::DeviceProfile> profile_of(const BenchOptions& options, DeviceKind kind,
                                              const CudaSupport& support) {
  if (!options.device_profile.empty()) {
    return plan::device_profile(options.device_profile);
  }
  const auto known = kind == DeviceKind::cuda
                         ? std::ranges::find(kKnown, std::string_view(common_name(support)),
                                             &std::pair<std::string_view, std::string_view>::first)
                         : kKnown.end();
  return known == kKnown.end() ? std::nullopt
                               : std::optional(plan::device_profile(std::string(known->second)));
}

BenchMachine describe_machine(const BenchOptions& options, DeviceKind kind,
                              const CudaSupport& support) {
  BenchMachine machine{.kind = kind,
                       .cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency())),
                       .cuda = support};
  if (kind == DeviceKind::cuda) {
    for (const CudaDeviceInfo& info : support.devices) {
      machine.devices.push_back(info.name);
    }
    machine.emulated = std::ranges::any_of(machine.devices, is_emulated);
  } else {
    machine.devices.push_back(processor_name());
  }
  find_peak(options, machine);
  return machine;
}

BenchMachine look_at_machine(const BenchOptions& options) {
  const DeviceChoice choice = choose_device(options.device);
  BenchMachine machine = describe_machine(options, choice.kind, cuda_support());
  machine.why = choice.why;
  if (choice.kind == DeviceKind::cuda) {
    machine.cublaslt_version = version_text(cublaslt_version());
    machine.nccl_version = version_text(nccl_version());
  }
  return machine;
}

}  // namespace lockflight::tools
