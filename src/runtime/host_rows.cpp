#include "runtime/host_rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lockflight::runtime {

std::int64_t rows_of(const std::vector<HostTensor>& tensors) {
  return tensors.empty() || tensors.front().spec().shape.rank() == 0
             ? 0
             : tensors.front().spec().shape[0];
}

void copy_bytes(const std::vector<HostTensor>& from, std::vector<HostTensor>& to) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::copy_n(from[i].data(), from[i].spec().bytes(), to[i].data());
  }
}

std::vector<HostTensor> join_rows(const std::vector<std::vector<HostTensor>>& rows) {
  std::vector<HostTensor> joined;
  for (std::size_t i = 0; i < rows.front().size(); ++i) {
    const TensorSpec& row = rows.front()[i].spec();
    std::vector<std::int64_t> extents(row.shape.extents().begin(), row.shape.extents().end());
    extents[0] = static_cast<std::int64_t>(rows.size());
    HostTensor whole({Shape(extents), row.dtype});
    std::byte* to = whole.data();
    for (const auto& one : rows) {
      to = std::copy_n(one[i].data(), one[i].spec().bytes(), to);
    }
    joined.push_back(std::move(whole));
  }
  return joined;
}

}  // namespace lockflight::runtime
