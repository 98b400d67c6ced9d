// One cell as schedule files write it: "2F0", or "(0F7;7B3)OVERLAP_F_B".

#pragma once

#include <string>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Throws DataError with a sentence if the text is no action and no overlapped pair.
Cell parse_cell(std::string_view text);

/// The inverse; an idle slot is empty.
std::string to_text(const Cell& cell);

}  // namespace lockflight::schedule
