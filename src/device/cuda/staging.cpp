#include "device/cuda/staging.h"

#include <algorithm>

#include <fmt/format.h>

#include "device/cuda/check.h"
#include "lockflight/device/memory_use.h"

namespace lockflight::cuda {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

}  // namespace

Staging::~Staging() { keep(0); }

std::byte* Staging::take(std::size_t bytes) {
  const std::size_t wanted = aligned_bytes(bytes);
  while (current_ < chunks_.size() && used_ + wanted > chunks_[current_].bytes) {
    ++current_;
    used_ = 0;
  }
  if (current_ == chunks_.size()) {
    add(std::max(kChunkBytes, wanted));
  }
  std::byte* data = chunks_[current_].data + used_;
  used_ += wanted;
  return data;
}

void Staging::add(std::size_t bytes) {
  void* data = nullptr;
  check(cudaMallocHost(&data, bytes),
        fmt::format("cudaMallocHost of {} bytes for copies under way", bytes));
  chunks_.push_back({static_cast<std::byte*>(data), bytes});
}

void Staging::clear() {
  std::size_t bytes = 0;
  const auto first_too_many = std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
    bytes += chunk.bytes;
    return bytes > kKeptBytes;
  });
  keep(first_too_many - chunks_.begin());
  current_ = 0;
  used_ = 0;
}

void Staging::keep(std::size_t chunks) {
  while (chunks_.size() > chunks) {
    cudaFreeHost(chunks_.back().data);
    chunks_.pop_back();
  }
}

}  // namespace lockflight::cuda
