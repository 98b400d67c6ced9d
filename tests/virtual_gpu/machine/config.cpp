#include "virtual_gpu/machine/config.h"

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "virtual_gpu/machine/memory.h"

namespace virtual_gpu {
namespace {

[[noreturn]] void refuse(const char* name, const std::string& value, const char* expected) {
  std::fprintf(stderr, "virtual gpu: %s is \"%s\", expected %s\n", name, value.c_str(), expected);
  _exit(2);  // not exit(), which would ask the machine for leaks
}

std::string text(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::uint64_t number(const char* name, std::uint64_t otherwise, std::uint64_t most) {
  const std::string value = text(name);
  if (value.empty()) {
    return otherwise;
  }
  char* end = nullptr;
  const std::uint64_t parsed = std::strtoull(value.c_str(), &end, 10);
  if (*end != '\0' || parsed > most) {
    refuse(name, value, ("a number up to " + std::to_string(most)).c_str());
  }
  return parsed;
}

}  // namespace

Order parse_order(const std::string& text) {
  if (text.empty() || text == "fifo") {
    return {};
  }
  if (text == "lifo") {
    return {.kind = Order::Kind::lifo};
  }
  char* end = nullptr;
  const std::uint64_t seed = std::strtoull(text.c_str(), &end, 10);
  if (*end != '\0') {
    refuse("LOCKFLIGHT_VGPU_ORDER", text, "fifo, lifo or a seed");
  }
  return {.kind = Order::Kind::random, .seed = seed};
}

Config read_config() {
  Config config;
  config.devices = static_cast<int>(number("LOCKFLIGHT_VGPU_DEVICES", 8, Memory::kMostDevices));
  config.memory = number("LOCKFLIGHT_VGPU_MEMORY", config.memory, std::uint64_t{1} << 40);
  config.order = parse_order(text("LOCKFLIGHT_VGPU_ORDER"));
  config.kernels = text("LOCKFLIGHT_VGPU_KERNELS");
  config.patience = std::chrono::milliseconds(number(
      "LOCKFLIGHT_VGPU_PATIENCE_MS", static_cast<std::uint64_t>(config.patience.count()), 1000000));
  return config;
}

}  // namespace virtual_gpu
