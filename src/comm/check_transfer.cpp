#include "comm/check_transfer.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"

namespace lockflight::comm {

void check_route(const char* what, int rank, int ranks, const Route& route) {
  if (route.peer < 0 || route.peer >= ranks || route.peer == rank) {
    throw InvalidArgument(
        fmt::format("{}: rank {} has no peer {}: peers are the other ranks of 0 to {}", what, rank,
                    route.peer, ranks - 1));
  }
}

void check_members(const TensorView& values, int rank, int ranks, const std::vector<int>& members) {
  if (values.dtype() != DType::f32 && values.dtype() != DType::f64) {
    throw InvalidArgument(fmt::format("all_reduce: {} cannot be added up; only f32 and f64 can",
                                      to_string(values.spec())));
  }
  const bool ascending =
      std::ranges::adjacent_find(members, std::ranges::greater_equal{}) == members.end();
  if (!ascending || std::ranges::find(members, rank) == members.end() || members.front() < 0 ||
      members.back() >= ranks) {
    throw InvalidArgument(
        fmt::format("all_reduce: members [{}] of {} ranks; they must be ascending and hold rank {}",
                    fmt::join(members, ", "), ranks, rank));
  }
}

}  // namespace lockflight::comm
