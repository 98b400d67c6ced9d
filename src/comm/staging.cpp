#include "comm/staging.h"

#include <set>
#include <utility>
#include <vector>

namespace lockflight::comm {

std::size_t staging_bytes(CudaTransport transport, const Links& links) {
  std::set<std::pair<std::vector<int>, int>> groups;
  for (const Links::Group& group : links.groups) {
    groups.emplace(group.members, group.channel);
  }
  std::size_t bytes = 0;
  for (const auto& [members, channel] : groups) {
    bytes += transport == CudaTransport::nccl ? gathered_staging_bytes(members.size())
                                              : copied_staging_bytes();
  }
  return bytes;
}

}  // namespace lockflight::comm
