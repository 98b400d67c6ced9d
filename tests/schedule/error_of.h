// The sentence of an exception.

#pragma once

#include <string>

namespace lockflight::schedule {

/// What `call` throws as an E, or "no error".
template <typename E, typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace lockflight::schedule
