#include "device/cuda/staging.h"

#include <algorithm>

#include <fmt/format.h>

#include "device/cuda/check.h"
#include "lockflight/device/memory_use.h"

namespace lockflight::cuda {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

}  // namespace

Staging::~Staging() {
  for (const Chunk& chunk : chunks_) {
    cudaFreeHost(chunk.data);
  }
}

std::byte* Staging::take(std::size_t bytes) {
  const std::size_t wanted = aligned_bytes(bytes);
  if (chunks_.empty() || chunks_.back().used + wanted > chunks_.back().bytes) {
    const std::size_t size = std::max(kChunkBytes, wanted);
    void* data = nullptr;
    check(cudaMallocHost(&data, size),
          fmt::format("cudaMallocHost of {} bytes for copies under way", size));
    chunks_.push_back({static_cast<std::byte*>(data), size, 0});
  }
  Chunk& chunk = chunks_.back();
  std::byte* data = chunk.data + chunk.used;
  chunk.used += wanted;
  return data;
}

void Staging::clear() {
  while (chunks_.size() > 1) {
    cudaFreeHost(chunks_.back().data);
    chunks_.pop_back();
  }
  if (!chunks_.empty()) {
    chunks_.front().used = 0;
  }
}

}  // namespace lockflight::cuda
