#include "virtual_gpu/machine/history.h"

#include <algorithm>
#include <iterator>

namespace virtual_gpu {
namespace {

bool same(const Mark& a, const Mark& b) { return a.stream == b.stream && a.time == b.time; }

bool unordered(const Mark& before, const Mark& who, const Clock& clock) {
  return before.stream != who.stream && before.time > clock.at(before.stream);
}

}  // namespace

// Makes `at` a boundary; returns the first range that begins there or later.
History::Ranges::iterator History::split(std::uintptr_t at) {
  auto next = ranges_.lower_bound(at);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->second.end > at) {
      Range rest = before->second;
      before->second.end = at;
      next = ranges_.emplace_hint(next, at, std::move(rest));
    }
  }
  return next;
}

std::optional<Race> History::note(std::uintptr_t begin, std::uintptr_t end, bool writes,
                                  const Mark& who, const Clock& clock) {
  std::optional<Race> race;
  split(end);
  auto it = split(begin);
  for (std::uintptr_t at = begin; at < end; at = it->second.end, ++it) {
    if (it == ranges_.end() || it->first > at) {
      const std::uintptr_t gap_end = it == ranges_.end() ? end : std::min(end, it->first);
      it = ranges_.emplace_hint(it, at, Range{.end = gap_end, .write = {}, .reads = {}});
    }
    Range& range = it->second;
    if (!race && range.write && unordered(*range.write, who, clock)) {
      race = Race{*range.write, true, at, range.end};
    }
    if (writes) {
      const auto read = std::ranges::find_if(
          range.reads, [&](const Mark& mark) { return unordered(mark, who, clock); });
      if (!race && read != range.reads.end()) {
        race = Race{*read, false, at, range.end};
      }
      range.reads.clear();
      range.write = who;
    } else {
      const auto own = std::ranges::find(range.reads, who.stream, &Mark::stream);
      if (own == range.reads.end()) {
        range.reads.push_back(who);
      } else {
        *own = who;
      }
    }
  }
  merge(begin, end);
  return race;
}

// Joins neighbours that remember the same, so that the map stays as small as the program is simple.
void History::merge(std::uintptr_t begin, std::uintptr_t end) {
  auto it = ranges_.lower_bound(begin);
  if (it != ranges_.begin()) {
    --it;
  }
  while (it != ranges_.end() && it->first <= end) {
    const auto next = std::next(it);
    if (next == ranges_.end()) {
      return;
    }
    const Range& a = it->second;
    const Range& b = next->second;
    const bool alike = a.end == next->first && a.write.has_value() == b.write.has_value() &&
                       (!a.write || same(*a.write, *b.write)) &&
                       std::ranges::equal(a.reads, b.reads, same);
    if (alike) {
      it->second.end = b.end;
      ranges_.erase(next);
    } else {
      it = next;
    }
  }
}

void History::forget(std::uintptr_t begin, std::uintptr_t end) {
  split(end);
  auto it = split(begin);
  while (it != ranges_.end() && it->first < end) {
    it = ranges_.erase(it);
  }
}

}  // namespace virtual_gpu
