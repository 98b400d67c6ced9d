#include "virtual_gpu/machine/hosts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "virtual_gpu/machine/machine.h"

namespace virtual_gpu {

namespace {

// By its own destructor's time a thread may call again, from another one's destructor: then it
// registers anew.
thread_local HostThread* mine = nullptr;

struct Leave {
  ~Leave() {
    const Lock lock;
    machine().hosts.leave(mine);
    mine = nullptr;
  }
};

}  // namespace

HostThread& Hosts::current() {
  if (mine == nullptr) {
    thread_local const Leave leave;
    mine = new HostThread{.id = gettid()};
    threads_.push_back(mine);
  }
  return *mine;
}

void Hosts::leave(HostThread* thread) {
  std::erase(threads_, thread);
  delete thread;
}

void Hosts::ask(std::string what) {
  HostThread& thread = current();
  thread.waits = std::move(what);
  thread.asked = tick_;
}

bool Hosts::anyone_waits() const {
  return std::ranges::any_of(threads_, [this](const HostThread* t) { return waits(*t); });
}

bool Hosts::others_run() const {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string id = entry.path().filename();
    const auto same = [&id](const HostThread* t) { return std::to_string(t->id) == id; };
    const auto known = std::ranges::find_if(threads_, same);
    if ((known != threads_.end() && waits(**known)) || id == std::to_string(gettid())) {
      continue;
    }
    std::stringstream status;
    status << std::ifstream(entry.path() / "stat").rdbuf();
    const std::string text = status.str();
    const auto name_end = text.rfind(')');
    if (name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'S') {
      return true;
    }
  }
  return false;
}

std::vector<std::string> Hosts::describe() const {
  std::vector<std::string> lines;
  for (const HostThread* thread : threads_) {
    lines.push_back(fmt::format("host thread {} {}", thread->id,
                                waits(*thread) ? thread->waits : "does not wait here"));
  }
  return lines;
}

}  // namespace virtual_gpu
