#include "lockflight/plan/device_profile.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "plan/built_in_device_profiles.h"
#include "plan/json_reader.h"

namespace lockflight::plan {
namespace {

constexpr std::string_view kOther = "other";
constexpr const char* kKind = "kind";
constexpr const char* kBf16Rate = "bf16_matrix_flops_per_second";

std::string_view without_alias(std::string_view name) {
  if (name == "h100") {
    return "h100-sxm";
  }
  return name == "a100" ? "a100-80gb" : name;
}

// Without the key a CPU.
DeviceKind read_kind(const JsonObject& object) {
  if (!object.has(kKind)) {
    return DeviceKind::cpu;
  }
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::cuda}) {
    if (object.text(kKind) == name_of(kind)) {
      return kind;
    }
  }
  object.refuse(kKind, fmt::format("is \"{}\"; it must be cpu or cuda", object.text(kKind)));
}

OperationRates read_rates(const JsonObject& object) {
  object.expect_keys({"matrix", "flops_share", "bytes_share"});
  return {.matrix = object.boolean("matrix"),
          .flops_share = object.positive_number("flops_share"),
          .bytes_share = object.positive_number("bytes_share")};
}

}  // namespace

const OperationRates& DeviceProfile::rates_of(std::string_view operation, DType dtype) const {
  auto found = operations.end();
  if (dtype == DType::bf16) {
    found = operations.find(fmt::format("{} bf16", operation));
  }
  if (found == operations.end()) {
    found = operations.find(operation);
  }
  return found != operations.end() ? found->second : operations.find(kOther)->second;
}

double DeviceProfile::flops_per_second(const OperationRates& rates, DType dtype) const {
  if (!rates.matrix) {
    return vector_flops_per_second;
  }
  return dtype == DType::bf16 && bf16_matrix_flops_per_second > 0 ? bf16_matrix_flops_per_second
                                                                  : matrix_flops_per_second;
}

std::vector<std::string> device_profile_names() {
  std::vector<std::string> names;
  for (const BuiltInDeviceProfile& profile : built_in_device_profiles()) {
    names.emplace_back(profile.name);
  }
  return names;
}

DeviceProfile device_profile(const std::string& name_or_file) {
  if (name_or_file.ends_with(".json")) {
    return parse_device_profile(read_text_file(name_or_file), name_or_file);
  }
  const auto profiles = built_in_device_profiles();
  const auto found =
      std::ranges::find(profiles, without_alias(name_or_file), &BuiltInDeviceProfile::name);
  if (found == profiles.end()) {
    throw InvalidArgument(
        fmt::format("device profile '{}' is not known; take one of {}, or a file whose name ends "
                    "in .json",
                    name_or_file, fmt::join(device_profile_names(), ", ")));
  }
  return parse_device_profile(found->json, std::string(found->name));
}

DeviceProfile parse_device_profile(std::string_view json, const std::string& where) {
  const JsonDocument document(json, where);
  const JsonObject object(document);
  object.expect_format("lockflight device profile", 1);
  object.expect_keys({"format", "version", "name", "source", "assumptions", kKind, "memory_bytes",
                      "matrix_flops_per_second", kBf16Rate, "vector_flops_per_second",
                      "bytes_per_second", "launch_seconds", "host_seconds_per_action",
                      "link_latency_seconds", "link_bytes_per_second", "operations"});
  DeviceProfile profile{
      .name = object.text("name"),
      .source = object.text("source"),
      .assumptions = object.text("assumptions"),
      .kind = read_kind(object),
      .memory_bytes = object.bytes("memory_bytes"),
      .matrix_flops_per_second = object.positive_number("matrix_flops_per_second"),
      .bf16_matrix_flops_per_second = object.has(kBf16Rate) ? object.positive_number(kBf16Rate) : 0,
      .vector_flops_per_second = object.positive_number("vector_flops_per_second"),
      .bytes_per_second = object.positive_number("bytes_per_second"),
      .launch_seconds = object.number("launch_seconds"),
      .host_seconds_per_action = object.number("host_seconds_per_action"),
      .link_latency_seconds = object.number("link_latency_seconds"),
      .link_bytes_per_second = object.positive_number("link_bytes_per_second")};
  const JsonObject operations = object.object("operations");
  for (const std::string& name : operations.keys()) {
    profile.operations.emplace(name, read_rates(operations.object(name)));
  }
  if (!profile.operations.contains(kOther)) {
    operations.refuse(std::string(kOther),
                      "is missing; it stands for all operations that have no key of their own");
  }
  return profile;
}

}  // namespace lockflight::plan
