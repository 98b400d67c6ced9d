// Runs of the command, in this process or as a program of its own, and what they leave.

#pragma once

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/command.h"

namespace lockflight::tools {

using Words = std::vector<std::string>;

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// In this process, output not on a terminal.
inline Outcome run_here(const Words& words) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run_command(words, {.out = out}, err);
  return {.exit_code = exit_code, .out = out.str(), .err = err.str()};
}

/// The program lockflight as a process that was started in a folder and is not waited for yet.
class Process {
 public:
  /// Standard output and error go to files beside the folder, unless `out` names another.
  Process(const Words& words, const std::filesystem::path& folder, const std::string& out = "")
      : out_(out.empty() ? folder.string() + ".out" : out), err_(folder.string() + ".err") {
    std::vector<std::string> line = {LOCKFLIGHT_COMMAND};
    line.insert(line.end(), words.begin(), words.end());
    std::vector<char*> pointers;
    for (std::string& word : line) {
      pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int failure =
        ::posix_spawn(&id_, LOCKFLIGHT_COMMAND, &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
      throw std::runtime_error("cannot start " LOCKFLIGHT_COMMAND);
    }
  }

  ~Process() {
    if (id_ > 0) {
      ::kill(id_, SIGKILL);
      wait();
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  bool runs() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  std::string out() const { return text_of(out_); }

  Outcome wait() {
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = 0;
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
            .out = out_.starts_with("/dev/") ? "" : out(),
            .err = text_of(err_)};
  }

 private:
  static std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string out_;
  std::string err_;
  pid_t id_ = 0;
};

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A text with some structure.
inline std::string some_text() {
  std::string text;
  for (int line = 0; text.size() < 12 * 1024; ++line) {
    text += "lock " + std::to_string(line) + " fills while lock " +
            std::to_string(line * line % 97) + " empties.\n";
  }
  return text;
}

/// The words for a model that trains within a moment: 2 blocks, width 16, context 16.
inline Words tiny_training() {
  return {"train", "--data",          "input.txt", "--layers",           "2",  "--width",
          "16",    "--heads",         "2",         "--context",          "16", "--steps",
          "4",     "--micro-batches", "3",         "--micro-batch-rows", "2",  "--learning-rate",
          "0.01",  "--ranks",         "1",         "--validate-every",   "0",  "--sample-bytes",
          "0"};
}

}  // namespace lockflight::tools
