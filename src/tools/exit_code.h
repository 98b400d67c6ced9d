// What the command's exit codes mean, and how failures become one sentence.

#pragma once

#include <exception>
#include <iosfwd>

namespace lockflight::tools {

/// The numbers are those of BSD's sysexits.h.
enum class ExitCode : int {
  success = 0,
  usage = 64,        ///< options or a configuration that cannot work
  data = 65,         ///< a file's content is not what it should be, or a plan is refused
  unavailable = 69,  ///< a device, its memory or its libraries are missing or failed
  internal = 70,     ///< anything else
  io = 74,           ///< a file could not be opened, read or written
};

/// The exit code of a process that a signal ended: 130 for SIGINT.
constexpr int exit_code_of_signal(int signal) { return 128 + signal; }

/// By the type of the exception.
ExitCode exit_code_of(const std::exception_ptr& failure);

/// Writes "lockflight: SENTENCE" as one line.
void write_failure(std::ostream& err, const std::exception_ptr& failure);

}  // namespace lockflight::tools
