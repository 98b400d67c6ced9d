#include "virtual_gpu/machine/calls.h"

#include <utility>

namespace virtual_gpu {

std::optional<int> Calls::enter(const char* function) {
  ++counts_[function];
  ++total_;
  return fault(function, true);
}

std::optional<int> Calls::happen(const char* event) {
  ++counts_[event];
  return fault(event, false);
}

std::optional<int> Calls::fault(const char* name, bool any) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    const bool meant = fault->function.empty() ? any : fault->function == name;
    if (meant && --fault->left == 0) {
      const int code = fault->code;
      faults_.erase(fault);
      ++failed_;
      return code;
    }
  }
  return {};
}

void Calls::fail(std::string function, std::int64_t nth, int code) {
  faults_.push_back({std::move(function), nth, code});
}

std::int64_t Calls::count(const std::string& function) const {
  if (function.empty()) {
    return total_;
  }
  const auto found = counts_.find(function);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace virtual_gpu
