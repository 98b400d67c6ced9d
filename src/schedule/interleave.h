// How micro-batches go through several stages of a rank by groups.

#pragma once

#include <string_view>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// A run of micro-batches that goes through one stage of a rank after the other.
struct Group {
  int begin = 0;
  int end = 0;

  int size() const { return end - begin; }
};

/// Groups of size.group, the last of all with what is left; where that is less than there are
/// ranks, it joins the group before.  Throws InvalidArgument for a group of fewer than that.
std::vector<Group> groups_of(std::string_view name, PipelineSize size);

int largest(const std::vector<Group>& groups);

/// That kind of action of all stages of a rank, group by group: forwards from the first stage on,
/// backwards from the last.
std::vector<Action> by_groups(ActionKind kind, int rank, PipelineSize size,
                              const std::vector<Group>& groups);

}  // namespace lockflight::schedule
