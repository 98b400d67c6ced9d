#include "plan/boundaries.h"

#include <fmt/format.h>

namespace lockflight::plan {

std::string describe(const Boundary& boundary) {
  return fmt::format("the {}output of stage {} for micro-batch {}",
                     boundary.kind == Boundary::Kind::gradient ? "gradient of the " : "",
                     boundary.stage, boundary.micro_batch);
}

}  // namespace lockflight::plan
