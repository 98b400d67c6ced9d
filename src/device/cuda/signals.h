// Words that streams write and other streams wait for: how streams of different ranks meet without
// their hosts waiting for each other.
//
// An event can be waited for only after its record was enqueued; a word can be waited for before
// anybody has enqueued the write.  Source: CUDA Driver API, "Stream Memory Operations".

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <cuda_runtime_api.h>

namespace lockflight::cuda {

/// Words of one device, in pinned host memory.  Used by its host thread alone; the words by any
/// stream.
class Signals {
 public:
  Signals() = default;
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  /// A word that is not set.
  std::uint32_t* take();
  /// No stream uses any word any more: all may be taken again.
  void recycle();
  /// Sets all words that were taken, so that whoever waits for them goes on.
  void open_all();

 private:
  static constexpr std::size_t kWords = 1024;

  std::vector<std::uint32_t*> blocks_;
  std::size_t taken_ = 0;
};

/// Enqueues: sets the word, after everything before it is visible to all devices.
void set_signal(cudaStream_t stream, std::uint32_t* word);
/// Enqueues: holds the stream until the word is set.
void await_signal(cudaStream_t stream, std::uint32_t* word);

}  // namespace lockflight::cuda
