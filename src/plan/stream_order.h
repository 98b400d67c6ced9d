// The instructions of a program by streams: those of all ranks in one list.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// What computes on a second stream of a rank is listed with stream 0, in the order of the host: a
/// device does one thing at a time, and that stream then stays empty.
struct StreamOrder {
  explicit StreamOrder(const Program& program);

  struct Stream {
    int rank = 0;
    int channel = -1;
    int partner = -1;       ///< the stream at the other end of its channel
    std::size_t begin = 0;  ///< its instructions in `positions`
    std::size_t end = 0;
  };

  std::vector<Stream> streams;
  std::vector<std::uint32_t> positions;  ///< of instructions in their rank's program
  // By rank.
  std::vector<std::size_t> first_instruction;
  std::vector<std::size_t> first_event;
  std::vector<int> first_stream;  ///< it computes

 private:
  void count(const Program& program);
  void connect(int channels);
  void sort(const RankProgram& program, std::size_t rank);
};

}  // namespace lockflight::plan
