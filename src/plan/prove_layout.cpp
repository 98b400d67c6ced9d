#include "lockflight/plan/prove_layout.h"

#include <array>
#include <iterator>
#include <map>
#include <string_view>

#include <fmt/format.h>

namespace lockflight::plan {
namespace {

class LayoutProof {
 public:
  LayoutProof(int rank, std::span<const BufferLife> buffers, const Layout& layout,
              std::span<const TensorStreams> streams)
      : rank_(rank), buffers_(buffers), layout_(layout), streams_(streams) {}

  std::vector<Finding> run() {
    if (layout_.places.size() != buffers_.size()) {
      find(-1, fmt::format("the step asks for {} tensors, the layout has places for {}",
                           buffers_.size(), layout_.places.size()));
      return std::move(findings_);
    }
    std::map<std::int64_t, std::size_t> deaths;  // call → tensor
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      while (!deaths.empty() && deaths.begin()->first < buffers_[i].born) {
        give_back(deaths.begin()->second);
        deaths.erase(deaths.begin());
      }
      take(i);
      if (buffers_[i].freed >= 0) {
        deaths.emplace(buffers_[i].freed, i);
      }
    }
    return std::move(findings_);
  }

 private:
  std::size_t begin_of(std::size_t i) const { return layout_.places[i].offset; }
  std::size_t end_of(std::size_t i) const { return begin_of(i) + aligned_bytes(buffers_[i].bytes); }

  void take(std::size_t i) {
    const MemoryPlace& place = layout_.places[i];
    const std::int32_t action = buffers_[i].action;
    if (place.bytes != buffers_[i].bytes) {
      find(action,
           fmt::format("tensor {} has {} bytes, its place {}", i, buffers_[i].bytes, place.bytes));
    }
    if (place.offset % kMemoryAlignment != 0) {
      find(action, fmt::format("tensor {} lies at offset {}, no multiple of {}", i, place.offset,
                               kMemoryAlignment));
    }
    if (end_of(i) > layout_.bytes) {
      find(action, fmt::format("tensor {} ends {} bytes beyond the block of {} bytes", i,
                               end_of(i) - layout_.bytes, layout_.bytes));
    }
    const auto after = alive_.lower_bound(place.offset);
    if (after != alive_.end() && after->first < end_of(i)) {
      overlap(i, after->second, "which is still alive");
    }
    if (after != alive_.begin() && end_of(std::prev(after)->second) > place.offset) {
      overlap(i, std::prev(after)->second, "which is still alive");
    }
    if (!streams_.empty()) {
      check_other_stream(i);
    }
    alive_.emplace(place.offset, i);
  }

  // Against what the other stream gave back and may not be done with.
  void check_other_stream(std::size_t i) {
    std::vector<std::size_t>& others = given_back_[1 - streams_[i].taken_on];
    std::erase_if(others,
                  [&](std::size_t other) { return streams_[other].settled <= buffers_[i].action; });
    for (const std::size_t other : others) {
      if (begin_of(other) < end_of(i) && begin_of(i) < end_of(other)) {
        overlap(i, other, "with which the other stream may not be done");
      }
    }
  }

  void give_back(std::size_t i) {
    const auto place = alive_.find(begin_of(i));
    if (place != alive_.end() && place->second == i) {
      alive_.erase(place);
    }
    if (!streams_.empty()) {
      given_back_[streams_[i].given_back_on].push_back(i);
    }
  }

  void overlap(std::size_t i, std::size_t other, std::string_view why) {
    find(buffers_[i].action,
         fmt::format("tensor {} (bytes {} to {}) lies on tensor {} (bytes {} to {}) of instruction "
                     "{}, {}",
                     i, begin_of(i), end_of(i), other, begin_of(other), end_of(other),
                     buffers_[other].action, why));
  }

  void find(std::int32_t action, std::string sentence) {
    findings_.push_back({.kind = Finding::Kind::memory,
                         .rank = rank_,
                         .position = action,
                         .sentence = std::move(sentence)});
  }

  int rank_;
  std::span<const BufferLife> buffers_;
  const Layout& layout_;
  std::span<const TensorStreams> streams_;
  std::map<std::size_t, std::size_t> alive_;            // offset → tensor
  std::array<std::vector<std::size_t>, 2> given_back_;  // on which stream, and not settled
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> prove_layout(int rank, std::span<const BufferLife> buffers,
                                  const Layout& layout, std::span<const TensorStreams> streams) {
  return LayoutProof(rank, buffers, layout, streams).run();
}

}  // namespace lockflight::plan
