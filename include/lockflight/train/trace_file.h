// Timelines as a trace that chrome://tracing and ui.perfetto.dev show: a process for each rank, a
// thread for each of its streams, a span for each action, and an arrow from each send to its
// receive.
//
// Source: Google, "Trace Event Format" (JSON object format; events M, X, s and f).

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "lockflight/plan/timeline.h"

namespace lockflight::train {

/// Written as it grows; a file cut off in the middle can still be shown.
class TraceFile {
 public:
  /// Throws FileError if the file cannot be written.
  explicit TraceFile(const std::filesystem::path& path);
  /// Closes the file and hides failures: call close() where they matter.
  ~TraceFile();
  TraceFile(TraceFile&&) noexcept;

  /// Appends what was measured in one step.  Throws FileError.
  void add(const Timeline& timeline, std::int64_t step);
  /// Ends the file.  Throws FileError.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockflight::train
