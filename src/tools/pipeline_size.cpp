#include "tools/pipeline_size.h"

#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"

namespace lockflight::tools {
namespace {

constexpr int kMostRanks = 4096;
constexpr int kMostMicroBatches = 65536;
constexpr int kMostChunks = 1024;
constexpr std::int64_t kMostInAll = 1 << 23;  // a program of about 8 GiB

void check_range(std::string_view name, int value, int most) {
  if (value < 1 || value > most) {
    throw InvalidArgument(fmt::format("{} is {}; it must be 1 to {}", name, value, most));
  }
}

}  // namespace

void check_size(const schedule::PipelineSize& size) {
  check_range("--ranks", size.ranks, kMostRanks);
  check_range("--micro-batches", size.micro_batches, kMostMicroBatches);
  check_range("--chunks", size.stages_per_rank, kMostChunks);
  if (size.group < 0 || size.group > kMostMicroBatches) {
    throw InvalidArgument(fmt::format("--group is {}; it must be 0 (as many as ranks) to {}",
                                      size.group, kMostMicroBatches));
  }
  const std::int64_t all = std::int64_t{size.ranks} * size.micro_batches * size.stages_per_rank;
  if (all > kMostInAll) {
    throw InvalidArgument(
        fmt::format("--ranks {} times --micro-batches {} times --chunks {} is {}; it must be at "
                    "most {}",
                    size.ranks, size.micro_batches, size.stages_per_rank, all, kMostInAll));
  }
}

int stages_per_rank(std::string_view schedule, std::optional<int> chunks) {
  if (chunks) {
    return *chunks;
  }
  return schedule::is_auto(schedule) ? 1
                                     : schedule::schedule_info(schedule).usual_stages_per_rank();
}

}  // namespace lockflight::tools
