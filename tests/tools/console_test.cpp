#include "tools/console.h"

#include <cstdlib>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

// A variable of the environment that is as it was at the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name); before != nullptr) {
      before_ = before;
      set_ = true;
    }
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { set_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
  bool set_ = false;
};

// What a program prints on a terminal.
std::string on_a_terminal(const Words& words) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(terminal, 0);
  EXPECT_EQ(::grantpt(terminal), 0);
  EXPECT_EQ(::unlockpt(terminal), 0);
  const std::string name = ::ptsname(terminal);
  const train::ScratchFolder folder;
  // Held open, so that reading does not end before the program has begun to write.
  const int held = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  std::string text;
  std::thread reader([&] {
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(terminal, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
  });
  Process process(words, folder.path(), name);
  EXPECT_EQ(process.wait().exit_code, 0);
  ::close(held);
  reader.join();
  ::close(terminal);
  return text;
}

const Words kGrid = {"schedule", "1f1b", "--ranks", "2", "--micro-batches", "2"};

TEST(ConsoleTest, ColoursOnATerminal) {
  const Variable no_color("NO_COLOR", nullptr);
  const Variable term("TERM", "xterm");
  EXPECT_THAT(on_a_terminal(kGrid), HasSubstr("\x1b[97;44mF0 "));
}

// See no-color.org: what counts is that it is there and not empty.
TEST(ConsoleTest, ObeysNoColor) {
  const Variable term("TERM", "xterm");
  {
    const Variable no_color("NO_COLOR", "1");
    const std::string text = on_a_terminal(kGrid);
    EXPECT_THAT(text, HasSubstr("rank 0  F0 F1"));
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  }
  const Variable no_color("NO_COLOR", "");
  EXPECT_THAT(on_a_terminal(kGrid), HasSubstr("\x1b"));
}

TEST(ConsoleTest, DoesNotColourWhatIsNoTerminalOrADumbOne) {
  const Variable no_color("NO_COLOR", nullptr);
  {
    const Variable term("TERM", "dumb");
    EXPECT_THAT(on_a_terminal(kGrid), Not(HasSubstr("\x1b")));
  }
  const Variable term("TERM", "xterm");
  const train::ScratchFolder folder;
  Process process(kGrid, folder.path());
  EXPECT_THAT(process.wait().out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace lockflight::tools
