#include "lockflight/schedule/registry.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/dualpipe.h"
#include "lockflight/schedule/dualpipev.h"
#include "lockflight/schedule/eager_1f1b.h"
#include "lockflight/schedule/forward_only.h"
#include "lockflight/schedule/gpipe.h"
#include "lockflight/schedule/interleaved.h"
#include "lockflight/schedule/interleaved_zb.h"
#include "lockflight/schedule/looped_bfs.h"
#include "lockflight/schedule/one_f_one_b.h"
#include "lockflight/schedule/v_half.h"
#include "lockflight/schedule/v_min.h"
#include "lockflight/schedule/zb_1p.h"
#include "lockflight/schedule/zb_2p.h"
#include "lockflight/schedule/zb_v.h"

namespace lockflight::schedule {
namespace {

constexpr std::array kSchedules = {
    ScheduleInfo{.name = "gpipe",
                 .description = "all forwards, then all backwards",
                 .idle = "(p-1)(tF+tB)",
                 .keeps = "m",
                 .source = "Huang et al. 2018 (arXiv:1811.06965)",
                 .make = gpipe},
    ScheduleInfo{.name = "1f1b",
                 .description = "one forward, one backward in turn after a short warm-up",
                 .idle = "(p-1)(tF+tB)",
                 .keeps = "min(m, p-r)",
                 .source = "PipeDream-Flush; Narayanan et al. 2021 (arXiv:2104.04473)",
                 .make = one_f_one_b},
    ScheduleInfo{.name = "eager-1f1b",
                 .description = "1F1B with twice the warm-up, which gives transfers time",
                 .idle = "(p-1)(tF+tB)",
                 .keeps = "min(m, 2(p-1-r)+1)",
                 .source = "Zhuang et al. 2022 (arXiv:2211.05322)",
                 .make = eager_1f1b},
    ScheduleInfo{
        .name = "interleaved",
        .description = "1F1B with v stages per rank; bubble v times smaller, more transfers",
        .idle = "(p-1)(tF+tB)/v if the group g (p if not given) divides m",
        .keeps = "min(m, ((v-1)g+2(p-1-r)+1)/v)",
        .source = "Narayanan et al. 2021 (arXiv:2104.04473)",
        .several_stages = true,
        .groups = true,
        .make = interleaved},
    ScheduleInfo{.name = "looped-bfs",
                 .description = "GPipe with v stages per rank, all micro-batches of one at a time",
                 .idle = "(p-1)(tF+tB)/v if m >= p",
                 .keeps = "m",
                 .source = "Lamy-Poirier 2022 (arXiv:2211.05953)",
                 .several_stages = true,
                 .make = looped_bfs},
    ScheduleInfo{.name = "zb-1p",
                 .description = "1F1B with I at once and W later, where ranks would wait",
                 .idle = "(p-1)max(tF, tI, tF+tI-tW) if m >= p",
                 .keeps = "min(m, p)",
                 .source = "ZB-H1; Qi et al. 2023 (arXiv:2401.10241)",
                 .make = zb_1p},
    ScheduleInfo{.name = "zb-2p",
                 .description = "ZB-1p with twice the warm-up: no gaps but at both ends",
                 .idle = "(p-1)max(tF, tI-tF, tF+tI-2tW) if m >= 2p-1",
                 .keeps = "min(m, 2p-1)",
                 .source = "ZB-H2; Qi et al. 2023 (arXiv:2401.10241)",
                 .make = zb_2p},
    ScheduleInfo{.name = "interleaved-zb",
                 .description = "interleaved with I at once and W later, where ranks would wait",
                 .idle = "(p-1)max(tF, tI, tF+tI-tW)/v if the group g divides m",
                 .keeps = "min(m, ((v-1)g+p)/v)",
                 .source = "torch.distributed.pipelining; Qi et al. 2023 (arXiv:2401.10241)",
                 .several_stages = true,
                 .groups = true,
                 .make = interleaved_zb},
    ScheduleInfo{.name = "zb-v",
                 .description = "two stages a rank down and up again; no gaps but at both ends",
                 .idle = "(p-1)tF/2 if tF = tI = tW and m >= 2p-1",
                 .keeps = "min(m, p)",
                 .source = "Qi et al. 2023 (arXiv:2401.10241)",
                 .v_placement = true,
                 .make = zb_v},
    ScheduleInfo{.name = "v-half",
                 .description = "as zb-v with half the memory and some idle time",
                 .idle = "(7p-8)tF/4, or (7p-9)tF/4 for odd p, if tF = tI = tW and m > p",
                 .keeps = "min(m, (p+2)/2 rounded down)",
                 .source = "Qi et al. 2024 (arXiv:2405.15362)",
                 .v_placement = true,
                 .make = v_half},
    ScheduleInfo{.name = "v-min",
                 .description = "as zb-v with a third of the memory and more idle time",
                 .idle = "(4p-5)tF/2, or (4p-3)tF/2 if 3 divides p, if tF = tI = tW and m >= p",
                 .keeps = "min(m, (p+4)/3 rounded down)",
                 .source = "Qi et al. 2024 (arXiv:2405.15362)",
                 .v_placement = true,
                 .make = v_min},
    ScheduleInfo{.name = "dualpipev",
                 .description = "two stages a rank down and up again, F and B in overlapped pairs",
                 .idle = "(p-1)(tFB+tB-3tW)/2, tFB that of a pair, if tF = tI = tW",
                 .keeps = "p+1/2",
                 .source = "DeepSeek-AI 2024 (arXiv:2412.19437), cut in half by its authors",
                 .v_placement = true,
                 .rounds = 2,
                 .make = dualpipev},
    ScheduleInfo{.name = "dualpipe",
                 .description = "two copies of the model, micro-batches down one and up the other",
                 .idle = "(p/2-1)(tFB+tB-3tW), tFB that of a pair, if tF = tI = tW",
                 .keeps = "p+1",
                 .source = "DeepSeek-AI 2024 (arXiv:2412.19437)",
                 .v_placement = true,
                 .copies = 2,
                 .rounds = 2,
                 .make = dualpipe},
    ScheduleInfo{.name = "forward-only",
                 .description = "forwards alone, for evaluation",
                 .idle = "(p-1)tF",
                 .keeps = "none",
                 .source = "none",
                 .make = forward_only},
};

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::span<const ScheduleInfo> schedules() { return kSchedules; }

const ScheduleInfo& schedule_info(std::string_view name) {
  std::string names;
  for (const ScheduleInfo& info : kSchedules) {
    if (equal_but_for_case(info.name, name)) {
      return info;
    }
    names += names.empty() ? "" : ", ";
    names += info.name;
  }
  throw InvalidArgument(fmt::format("there is no schedule \"{}\"; there are {}", name, names));
}

Schedule make_schedule(std::string_view name, PipelineSize size) {
  const ScheduleInfo& info = schedule_info(name);
  if (size.group != 0 && !info.groups) {
    throw InvalidArgument(
        fmt::format("schedule {}: groups of {} micro-batches; it has none, try interleaved or "
                    "interleaved-zb",
                    info.name, size.group));
  }
  return info.make(size);
}

}  // namespace lockflight::schedule
