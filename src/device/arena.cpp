#include "device/arena.h"

#include <algorithm>
#include <iterator>

namespace lockflight {
namespace {

constexpr std::size_t kSlabUnit = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes) { return (bytes + kSlabUnit - 1) / kSlabUnit * kSlabUnit; }

}  // namespace

Arena::~Arena() {
  for (const Slab& slab : slabs_) {
    source_.give_back(slab.data, slab.bytes);
  }
}

void Arena::add_slab(std::size_t at_least) {
  const std::size_t bytes = std::max(kSlabBytes, round_up(at_least));
  std::byte* data = source_.take(bytes);
  slabs_.push_back({data, bytes});
  free_.emplace(data, bytes);
  use_.reserved_bytes += bytes;
}

void Arena::reserve(std::size_t bytes) {
  if (std::ranges::none_of(free_, [bytes](const auto& block) { return block.second >= bytes; })) {
    add_slab(bytes);
  }
}

bool Arena::begins_slab(const std::byte* data) const {
  return std::ranges::any_of(slabs_, [data](const Slab& slab) { return slab.data == data; });
}

std::vector<std::span<std::byte>> Arena::slabs() const {
  std::vector<std::span<std::byte>> slabs;
  for (const Slab& slab : slabs_) {
    slabs.emplace_back(slab.data, slab.bytes);
  }
  return slabs;
}

std::byte* Arena::allocate(std::size_t bytes) {
  const std::size_t wanted = aligned_bytes(bytes);
  const auto find = [&] {
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second >= wanted && (best == free_.end() || it->second < best->second)) {
        best = it;
      }
    }
    return best;
  };
  auto block = find();
  if (block == free_.end()) {
    add_slab(wanted);
    block = find();
  }
  std::byte* data = block->first;
  const std::size_t rest = block->second - wanted;
  free_.erase(block);
  if (rest != 0) {
    free_.emplace(data + wanted, rest);
  }
  use_.take(wanted);
  return data;
}

void Arena::release(std::byte* data, std::size_t bytes) noexcept {
  const std::size_t size = aligned_bytes(bytes);
  use_.give_back(size);
  auto block = free_.emplace(data, size).first;
  const auto next = std::next(block);
  if (next != free_.end() && block->first + block->second == next->first &&
      !begins_slab(next->first)) {
    block->second += next->second;
    free_.erase(next);
  }
  if (block != free_.begin() && !begins_slab(block->first)) {
    const auto previous = std::prev(block);
    if (previous->first + previous->second == block->first) {
      previous->second += block->second;
      free_.erase(block);
    }
  }
}

}  // namespace lockflight
