#include "lockflight/plan/place.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lockflight::plan {
namespace {

// A tensor as a rectangle: from born to freed in time, from offset to offset + bytes in space.
struct Rectangle {
  std::int64_t born;
  std::int64_t freed;
  std::size_t offset;
  std::size_t bytes;
  std::int32_t action;
  TensorStreams streams;
};

bool is_before(const Rectangle& earlier, const Rectangle& later) {
  return earlier.freed < later.born && (earlier.streams.given_back_on == later.streams.taken_on ||
                                        later.action >= earlier.streams.settled);
}

std::int64_t end_of(const BufferLife& buffer) {
  return buffer.freed < 0 ? std::numeric_limits<std::int64_t>::max() : buffer.freed;
}

// The lowest offset at which nothing of `placed`, sorted by offset, is in the way.
std::size_t lowest_offset(const std::vector<Rectangle>& placed, const Rectangle& wanted) {
  std::size_t offset = 0;
  for (const Rectangle& other : placed) {
    if (is_before(other, wanted) || is_before(wanted, other)) {
      continue;
    }
    if (other.offset >= offset + wanted.bytes) {
      break;
    }
    offset = std::max(offset, other.offset + other.bytes);
  }
  return offset;
}

}  // namespace

MemoryPeak memory_peak(std::span<const BufferLife> buffers) {
  std::int64_t calls = 0;
  for (const BufferLife& buffer : buffers) {
    calls = std::max({calls, buffer.born + 1, buffer.freed + 1});
  }
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> born(static_cast<std::size_t>(calls), kNone);
  std::vector<std::size_t> freed(static_cast<std::size_t>(calls), kNone);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    born[buffers[i].born] = i;
    if (buffers[i].freed >= 0) {
      freed[buffers[i].freed] = i;
    }
  }
  MemoryPeak peak;
  std::int64_t at = -1;
  std::size_t bytes = 0;
  for (std::int64_t call = 0; call < calls; ++call) {
    if (freed[call] != kNone) {
      bytes -= aligned_bytes(buffers[freed[call]].bytes);
    } else if (born[call] != kNone) {
      bytes += aligned_bytes(buffers[born[call]].bytes);
      if (bytes > peak.bytes) {
        peak = {.bytes = bytes, .action = buffers[born[call]].action, .buffers = {}};
        at = call;
      }
    }
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].born <= at && end_of(buffers[i]) > at) {
      peak.buffers.push_back(i);
    }
  }
  std::ranges::stable_sort(peak.buffers, std::ranges::greater(),
                           [&](std::size_t i) { return buffers[i].bytes; });
  return peak;
}

Layout place(std::span<const BufferLife> buffers, std::span<const TensorStreams> streams) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](std::size_t i) { return aligned_bytes(buffers[i].bytes); });
  Layout layout;
  layout.places.resize(buffers.size());
  std::vector<Rectangle> placed;
  placed.reserve(buffers.size());
  for (const std::size_t i : order) {
    Rectangle rectangle{.born = buffers[i].born,
                        .freed = end_of(buffers[i]),
                        .offset = 0,
                        .bytes = aligned_bytes(buffers[i].bytes),
                        .action = buffers[i].action,
                        .streams = streams.empty() ? TensorStreams() : streams[i]};
    rectangle.offset = lowest_offset(placed, rectangle);
    layout.places[i] = {.offset = rectangle.offset, .bytes = buffers[i].bytes};
    layout.bytes = std::max(layout.bytes, rectangle.offset + rectangle.bytes);
    placed.insert(std::ranges::upper_bound(placed, rectangle.offset, {}, &Rectangle::offset),
                  rectangle);
  }
  return layout;
}

}  // namespace lockflight::plan
