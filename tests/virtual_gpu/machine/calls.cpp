#include "virtual_gpu/machine/calls.h"

#include <utility>

#include <unistd.h>

#include "virtual_gpu/control.h"
#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {

std::optional<int> Calls::enter(const char* function, int some_error) {
  ++counts_[function];
  ++total_;
  const auto code = fault(function, true);
  if (code == kNeverReturns) {
    const Unlock unlock;
    for (;;) {
      pause();
    }
  }
  return code == kSomeError ? some_error : code;
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

std::map<std::string, std::int64_t> Calls::all() const { return {counts_.begin(), counts_.end()}; }

}  // namespace virtual_gpu
