// Slabs of huge pages: where an arena on the CPU takes its memory from.
//
// A first touch costs microseconds for every small page and the C library maps large blocks afresh
// each time; so slabs are aligned to 2 MiB, advised to be huge pages, and touched once.

#pragma once

#include "device/arena.h"

namespace lockflight::cpu {

SlabSource huge_page_slabs();

}  // namespace lockflight::cpu
