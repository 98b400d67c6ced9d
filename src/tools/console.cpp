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

Console standard_output() {
  Console console{.out = std::cout, .terminal = ::isatty(STDOUT_FILENO) == 1};
  winsize size{};
  if (console.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    console.columns = size.ws_col;
  }
  console.colour = console.terminal && std::getenv("NO_COLOR") == nullptr;
  return console;
}

}  // namespace lockflight::tools
