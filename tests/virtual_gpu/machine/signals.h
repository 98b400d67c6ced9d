// Words that streams write and other streams, or the host, wait for.
// Source: CUDA Driver API, "Stream Memory Operations".

#pragma once

#include <cstdint>
#include <unordered_map>

#include <cuda.h>

#include "virtual_gpu/machine/clock.h"
#include "virtual_gpu/machine/stream.h"

namespace virtual_gpu {

class Machine;

class Signals {
 public:
  /// The stream goes on when (int)(*word - value) >= 0.  Whoever wrote the word last comes before
  /// what follows.
  static void enqueue_wait(Machine& machine, Stream& stream, std::uint32_t* word,
                           std::uint32_t value);
  static void enqueue_write(Machine& machine, Stream& stream, std::uint32_t* word,
                            std::uint32_t value);

 private:
  struct Write {
    std::uint32_t value;
    Clock clock;
  };
  std::unordered_map<const std::uint32_t*, Write> writes_;  // the last one of each word
};

/// cuStreamWaitValue32 and cuStreamWriteValue32, as the driver would hand them out; nullptr for any
/// other name.
void* driver_function(const char* name);

}  // namespace virtual_gpu
