#include "virtual_gpu/machine/report.h"

#include <cstdio>
#include <utility>

namespace virtual_gpu {

void Reports::add(std::string_view kind, std::string text) {
  std::fprintf(stderr, "virtual gpu: %.*s: %s\n", static_cast<int>(kind.size()), kind.data(),
               text.c_str());
  reports_.push_back({std::string(kind), std::move(text)});
}

std::vector<Report> Reports::take() { return std::exchange(reports_, {}); }

}  // namespace virtual_gpu
