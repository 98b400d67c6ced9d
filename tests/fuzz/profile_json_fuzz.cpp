// Whatever the bytes of a profile are, of layers or of a device: it is refused in a sentence, or
// read.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lockflight/core/error.h"
#include "lockflight/plan/device_profile.h"
#include "lockflight/plan/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lockflight;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const plan::Profile profile = plan::parse_profile(text, "fuzz");
    plan::parse_profile(plan::to_json(profile), "fuzz");
  } catch (const DataError&) {  // the only failure that a file may cause
  }
  try {
    plan::parse_device_profile(text, "fuzz");
  } catch (const DataError&) {
  }
  return 0;
}
