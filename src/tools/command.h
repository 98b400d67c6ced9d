// The command lockflight, from its words to its exit code.

#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tools/console.h"

namespace lockflight::tools {

/// Runs the command and returns its exit code (exit_code.h).  Whatever fails becomes one sentence
/// on `err`.
///   arguments   the words after the program's name
int run_command(const std::vector<std::string>& arguments, const Console& console,
                std::ostream& err);

}  // namespace lockflight::tools
