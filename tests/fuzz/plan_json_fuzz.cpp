// Whatever the bytes of a plan file are: it is refused in a sentence, or read and written again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lockflight/core/error.h"
#include "lockflight/plan/plan_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockflight;
  try {
    const Plan plan = plan_from_json({reinterpret_cast<const char*>(data), size});
    plan_from_json(plan_to_json(plan));
  } catch (const DataError&) {  // the only failure that a file may cause
  }
  return 0;
}
