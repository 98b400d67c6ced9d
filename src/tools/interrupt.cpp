#include "tools/interrupt.h"

#include <atomic>

#include <signal.h>

namespace lockflight::tools {
namespace {

std::atomic<int> received = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // so that a signal handler may write it

void note(int signal) { received = signal; }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  received = 0;
  handle(SIGINT, note);
  handle(SIGTERM, note);
}

Interrupt::~Interrupt() {
  handle(SIGINT, SIG_DFL);
  handle(SIGTERM, SIG_DFL);
}

int Interrupt::signal() const { return received; }

}  // namespace lockflight::tools
