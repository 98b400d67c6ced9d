// Whatever the bytes of a schedule file are: it is refused in a sentence, or read, proved or
// refused, on a stream for each edge and on one for all.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "tools/prove_command.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockflight;
  try {
    const schedule::Schedule schedule =
        schedule::read_csv({reinterpret_cast<const char*>(data), size});
    for (const bool one_stream : {false, true}) {
      tools::prove_schedule(schedule, one_stream);
    }
  } catch (const DataError&) {  // the only failure that a file may cause
  }
  return 0;
}
