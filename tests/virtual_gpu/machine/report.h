// What was found wrong with the program under test.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "virtual_gpu/control.h"

namespace virtual_gpu {

class Reports {
 public:
  /// Written to stderr at once.
  void add(std::string_view kind, std::string text);
  /// Those that nobody took so far, oldest first.
  std::vector<Report> take();
  std::size_t count() const { return reports_.size(); }

 private:
  std::vector<Report> reports_;
};

}  // namespace virtual_gpu
