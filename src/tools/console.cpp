#include "tools/console.h"

#include <cstdlib>
#include <iostream>

#include <sys/ioctl.h>
#include <unistd.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {

void Console::print(std::string_view text) const {
  out << text;
  flush();
}

void Console::flush() const {
  out.flush();
  if (!out) {
    throw FileError("standard output: cannot write; is the disk full or the reader gone?");
  }
}

namespace {

// As no-color.org has it, and for terminals that know no colours.
bool wants_no_colour() {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return (no_color != nullptr && *no_color != '\0') ||
         (terminal != nullptr && std::string_view(terminal) == "dumb");
}

}  // namespace

Console standard_output() {
  Console console{.out = std::cout, .terminal = ::isatty(STDOUT_FILENO) == 1};
  winsize size{};
  if (console.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    console.columns = size.ws_col;
  }
  console.colour = console.terminal && !wants_no_colour();
  return console;
}

}  // namespace lockflight::tools
