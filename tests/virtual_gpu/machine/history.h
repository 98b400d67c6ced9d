// Who touched which bytes last, and whether the next one is ordered after them.
//
// Two accesses to a byte, one of them a write, are a race if neither's clock covers the other,
// whatever order this run happened to take.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "virtual_gpu/machine/clock.h"

namespace virtual_gpu {

/// An operation as histories remember it.
struct Mark {
  std::uint32_t stream;      ///< its component in clocks
  std::uint32_t time;        ///< its own time there
  std::uint32_t position;    ///< on the stream, from 1
  const std::string* what;   ///< lives for ever, and so does
  const std::string* where;  ///< the name of the stream
};

struct Race {
  Mark before;
  bool before_writes;
  std::uintptr_t begin, end;
};

class History {
 public:
  /// Notes the access, and returns the first one so far that races with it.
  std::optional<Race> note(std::uintptr_t begin, std::uintptr_t end, bool writes, const Mark& who,
                           const Clock& clock);
  /// The bytes are freed, or allocated anew.
  void forget(std::uintptr_t begin, std::uintptr_t end);

 private:
  struct Range {
    std::uintptr_t end;
    std::optional<Mark> write;
    std::vector<Mark> reads;  // since the write, one a stream
  };
  using Ranges = std::map<std::uintptr_t, Range>;

  Ranges::iterator split(std::uintptr_t at);
  void merge(std::uintptr_t begin, std::uintptr_t end);

  Ranges ranges_;  // keyed by begin, disjoint
};

}  // namespace virtual_gpu
