// The sentence of an exception.

#pragma once

#include <exception>
#include <string>

namespace lockflight::train {

/// What `call` throws as an E, or a text that says that it did not.
template <typename E, typename Call>
std::string error_text(Call call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("(another exception: ") + error.what() + ")";
  }
  return "(nothing was thrown)";
}

}  // namespace lockflight::train
