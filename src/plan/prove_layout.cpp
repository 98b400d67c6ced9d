#include "lockflight/plan/prove_layout.h"

#include <iterator>
#include <map>

#include <fmt/format.h>

namespace lockflight::plan {
namespace {

class LayoutProof {
 public:
  LayoutProof(int rank, std::span<const BufferLife> buffers, const Layout& layout)
      : rank_(rank), buffers_(buffers), layout_(layout) {}

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
      overlap(i, after->second);
    }
    if (after != alive_.begin() && end_of(std::prev(after)->second) > place.offset) {
      overlap(i, std::prev(after)->second);
    }
    alive_.emplace(place.offset, i);
  }

  void give_back(std::size_t i) {
    const auto place = alive_.find(begin_of(i));
    if (place != alive_.end() && place->second == i) {
      alive_.erase(place);
    }
  }

  void overlap(std::size_t i, std::size_t other) {
    find(buffers_[i].action,
         fmt::format("tensor {} (bytes {} to {}) lies on tensor {} (bytes {} to {}) of instruction "
                     "{}, which is still alive",
                     i, begin_of(i), end_of(i), other, begin_of(other), end_of(other),
                     buffers_[other].action));
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
  std::map<std::size_t, std::size_t> alive_;  // offset → tensor
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> prove_layout(int rank, std::span<const BufferLife> buffers,
                                  const Layout& layout) {
  return LayoutProof(rank, buffers, layout).run();
}

}  // namespace lockflight::plan
