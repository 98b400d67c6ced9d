// Whatever the bytes of a schedule file are: it is refused in a sentence, or read, proved or
// refused, on a stream for each edge and on one for all.

#include <cstddef>
#include <cstdint>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "tools/schedule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockflight;
  try {
    tools::ScheduleFile file{.path = "fuzz", .text = {reinterpret_cast<const char*>(data), size}};
    file.schedule = schedule::read_csv(file.text);
    for (const bool one_stream : {false, true}) {
      const tools::ScheduleProof proved = tools::prove_schedule(file, one_stream);
      for (const plan::Finding& finding : proved.proof.findings) {
        tools::describe(finding, proved, file);
      }
    }
  } catch (const DataError&) {  // the only failure that a file may cause
  }
  return 0;
}
