// What a step really did, and when.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lockflight/schedule/action.h"

namespace lockflight {

struct TimelineSpan {
  int rank = 0;
  int stream = 0;             ///< within the rank; 0 computes, and maybe one more
  schedule::Action action;    ///< compute, send or recv
  int peer = -1;              ///< transfers only
  int channel = -1;           ///< transfers only: spans of one channel and tag belong together
  std::int64_t begin_ns = 0;  ///< since the world was made
  std::int64_t end_ns = 0;
  std::uint32_t step = 0;
};

/// Of one step, or of several in a row.  Forwards that were thrown away are not in it.
struct Timeline {
  int ranks = 0;
  std::vector<TimelineSpan> spans;
  std::vector<std::int64_t> host_ns;  ///< for every rank: in which its host thread enqueued

  /// From the first begin to the last end of any compute action.
  std::int64_t makespan_ns() const;
  /// Nanoseconds in which a rank computes.
  std::int64_t busy_ns(int rank) const;
  /// The idle share of all ranks up to a common end (the "barrier" definition): 1 - sum of busy /
  /// (ranks · makespan).
  double idle_share() const;
  /// Of the time in which bytes travel, counted at both ends, the share in which the rank at that
  /// end computes.  They travel from the moment at which both ends have come to the transfer until
  /// both are through.  None without transfers that take time.
  std::optional<double> overlapped_share() const;
  /// What a host needs to enqueue an F, I, W, B or R with all that belongs to it, on the average;
  /// none if it was not measured.
  std::optional<double> host_ns_per_action() const;
  /// The spans of one step.
  Timeline of_step(std::uint32_t step) const;
};

}  // namespace lockflight
