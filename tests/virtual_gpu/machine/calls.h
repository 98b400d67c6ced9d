// Counts the calls of the program under test, and lets chosen ones fail.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace virtual_gpu {

class Calls {
 public:
  /// Notes a call; the code that it is to fail with, if it is: `some_error` for kSomeError.  Waits
  /// for ever, without the lock, for kNeverReturns.
  std::optional<int> enter(const char* function, int some_error);
  /// The same for what is no call: it is not among "any function".
  std::optional<int> happen(const char* event);

  /// The `nth` call of the function from now on, counted from 1, fails with `code`.  An empty name
  /// is any function.
  void fail(std::string function, std::int64_t nth, int code);
  void clear_faults() { faults_.clear(); }
  /// How many calls failed on demand.
  std::int64_t failed() const { return failed_; }

  /// How many there were; of all functions if the name is empty.
  std::int64_t count(const std::string& function) const;
  /// By function and event.
  std::map<std::string, std::int64_t> all() const;

 private:
  struct Fault {
    std::string function;
    std::int64_t left;
    int code;
  };
  std::optional<int> fault(const char* name, bool any);

  std::unordered_map<std::string_view, std::int64_t> counts_;  // names are literals
  std::int64_t total_ = 0;
  std::int64_t failed_ = 0;
  std::vector<Fault> faults_;
};

}  // namespace virtual_gpu
