#include "lockflight/plan/placement_check.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <vector>

#include "plan/proving.h"

namespace lockflight::plan {
namespace {

std::size_t end_of(const PlacedBuffer& buffer) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  return buffer.bytes > kMost - buffer.offset ? kMost : buffer.offset + buffer.bytes;
}

std::string describe(const PlacedBuffer& buffer) {
  return fmt::format("{} ({} bytes at {})", buffer.name, buffer.bytes, buffer.offset);
}

class PlacementCheck {
 public:
  PlacementCheck(std::span<const PlacedBuffer> buffers, const ArenaSize& arena, Findings& findings)
      : buffers_(buffers), arena_(arena), findings_(findings) {}

  void run() {
    if (arena_.bytes > arena_.limit_bytes) {
      find("the arena has {} bytes, {} more than the limit of {}", arena_.bytes,
           arena_.bytes - arena_.limit_bytes, arena_.limit_bytes);
    }
    for (const PlacedBuffer& buffer : buffers_) {
      check_alone(buffer);
    }
    sweep();
  }

 private:
  template <typename... Values>
  void find(fmt::format_string<Values...> sentence, Values&&... values) {
    findings_.add(Finding::Kind::memory, {.rank = arena_.rank}, sentence,
                  std::forward<Values>(values)...);
  }

  void check_alone(const PlacedBuffer& buffer) {
    if (end_of(buffer) > arena_.bytes) {
      find("{} ends {} bytes beyond the arena of {} bytes", describe(buffer),
           end_of(buffer) - arena_.bytes, arena_.bytes);
    }
    if (buffer.freed < buffer.born) {
      find("{} is born at {}, but freed at {}", describe(buffer), buffer.born, buffer.freed);
    }
  }

  // Births and ends in the order of time, ends first.
  void sweep() {
    struct Moment {
      std::int64_t time;
      bool birth;
      std::size_t buffer;
    };
    std::vector<Moment> moments;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      if (buffers_[i].bytes > 0 && buffers_[i].born < buffers_[i].freed) {
        moments.push_back({buffers_[i].born, true, i});
        moments.push_back({buffers_[i].freed, false, i});
      }
    }
    std::ranges::sort(moments, {}, [](const Moment& moment) {
      return std::tuple(moment.time, moment.birth, moment.buffer);
    });
    for (const auto& [time, birth, buffer] : moments) {
      birth ? enter(buffer) : leave(buffer);
    }
  }

  // A buffer that overlaps another is not kept: those that are never overlap, so that neighbours
  // tell.
  void enter(std::size_t buffer) {
    const PlacedBuffer& mine = buffers_[buffer];
    auto other = live_.upper_bound(mine.offset);
    if (other != live_.begin() && end_of(buffers_[std::prev(other)->second]) > mine.offset) {
      --other;
    }
    if (other == live_.end() || other->first >= end_of(mine)) {
      live_.emplace(mine.offset, buffer);
      return;
    }
    const PlacedBuffer& theirs = buffers_[other->second];
    find("{} and {} share {} bytes and both live at {}", describe(mine), describe(theirs),
         std::min(end_of(mine), end_of(theirs)) - std::max(mine.offset, theirs.offset), mine.born);
  }

  void leave(std::size_t buffer) {
    const auto found = live_.find(buffers_[buffer].offset);
    if (found != live_.end() && found->second == buffer) {
      live_.erase(found);
    }
  }

  std::span<const PlacedBuffer> buffers_;
  const ArenaSize& arena_;
  Findings& findings_;
  std::map<std::size_t, std::size_t> live_;  // offset → buffer
};

}  // namespace

Proof prove_memory(std::span<const PlacedBuffer> buffers, const ArenaSize& arena) {
  Proof proof;
  Findings findings(proof);
  PlacementCheck(buffers, arena, findings).run();
  return proof;
}

}  // namespace lockflight::plan
