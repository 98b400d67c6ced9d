// Whatever the bytes of a text of a schedule are: it is refused in a sentence, or read, written as
// the same bytes, and proved or refused. Bytes without the first line of the form get it, so that
// mutations do not end there.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lockflight/core/error.h"
#include "lockflight/schedule/text.h"
#include "tools/schedule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockflight;
  std::string text(reinterpret_cast<const char*>(data), size);
  if (!schedule::is_text(text)) {
    text.insert(0, "lockflight schedule 1\n");
  }
  try {
    const tools::ScheduleFile file = tools::parse_schedule_file("fuzz", text);
    if (schedule::write_text({.schedule = file.schedule, .choices = file.choices.value()}) !=
        text) {
      std::abort();
    }
    const tools::ScheduleProof proved = tools::prove_schedule(file, false);
    for (const plan::Finding& finding : proved.proof.findings) {
      tools::describe(finding, proved, file);
    }
  } catch (const DataError&) {  // the only failure that a file may cause
  }
  return 0;
}
