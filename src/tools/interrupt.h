// Ctrl-C, asked for instead of suffered.

#pragma once

namespace lockflight::tools {

/// While it lives, the first SIGINT or SIGTERM only leaves a note; a second one ends the process as
/// it would without.  At most one at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// The signal that came, or 0.
  int signal() const;
};

}  // namespace lockflight::tools
