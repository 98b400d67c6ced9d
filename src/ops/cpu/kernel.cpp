#include "ops/cpu/kernel.h"

#include <array>
#include <new>

namespace lockflight::ops::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { ::operator delete(data_, kAlignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::span<float> at_least(std::size_t count) {
    if (count > count_) {
      ::operator delete(data_, kAlignment);
      data_ = nullptr;
      count_ = 0;
      data_ = static_cast<float*>(::operator new(count * sizeof(float), kAlignment));
      count_ = count;
    }
    return {data_, count};
  }

 private:
  float* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace

std::span<float> thread_scratch(std::int64_t count, std::size_t buffer) {
  thread_local std::array<Scratch, kScratchBuffers> scratch;
  return scratch[buffer].at_least(static_cast<std::size_t>(count));
}

}  // namespace lockflight::ops::cpu
