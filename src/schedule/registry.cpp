#include "lockflight/schedule/registry.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/forward_only.h"
#include "lockflight/schedule/gpipe.h"
#include "lockflight/schedule/interleaved.h"
#include "lockflight/schedule/looped_bfs.h"
#include "lockflight/schedule/one_f_one_b.h"

namespace lockflight::schedule {
namespace {

constexpr std::array kSchedules = {
    ScheduleInfo{.name = "gpipe",
                 .description = "all forwards, then all backwards",
                 .idle = "(p-1)(tF+tB)",
                 .source = "Huang et al. 2018 (arXiv:1811.06965)",
                 .make = gpipe},
    ScheduleInfo{
        .name = "1f1b",
        .description = "one forward, one backward in turn; keeps min(m, p-r) micro-batches",
        .idle = "(p-1)(tF+tB)",
        .source = "PipeDream-Flush; Narayanan et al. 2021 (arXiv:2104.04473)",
        .make = one_f_one_b},
    ScheduleInfo{
        .name = "interleaved",
        .description = "1F1B with v stages per rank; bubble v times smaller, more transfers",
        .idle = "(p-1)(tF+tB)/v if p divides m",
        .source = "Narayanan et al. 2021 (arXiv:2104.04473)",
        .several_stages = true,
        .make = interleaved},
    ScheduleInfo{.name = "looped-bfs",
                 .description = "GPipe with v stages per rank, all micro-batches of one at a time",
                 .idle = "(p-1)(tF+tB)/v if m >= p",
                 .source = "Lamy-Poirier 2022 (arXiv:2211.05953)",
                 .several_stages = true,
                 .make = looped_bfs},
    ScheduleInfo{.name = "forward-only",
                 .description = "forwards alone, for evaluation",
                 .idle = "(p-1)tF",
                 .source = "none",
                 .make = forward_only},
};

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::span<const ScheduleInfo> schedules() { return kSchedules; }

Schedule make_schedule(std::string_view name, PipelineSize size) {
  std::string names;
  for (const ScheduleInfo& info : kSchedules) {
    if (equal_but_for_case(info.name, name)) {
      return info.make(size);
    }
    names += names.empty() ? "" : ", ";
    names += info.name;
  }
  throw InvalidArgument(fmt::format("there is no schedule \"{}\"; there are {}", name, names));
}

}  // namespace lockflight::schedule
