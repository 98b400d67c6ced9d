#include "tools/split.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/balance.h"

namespace lockflight::tools {
namespace {

std::vector<int> parse_list(std::string_view text) {
  std::vector<int> numbers;
  for (const char* begin = text.data();;) {
    const char* const end = text.data() + text.size();
    int number = 0;
    const auto [after, failure] = std::from_chars(begin, end, number);
    if (failure != std::errc() || number < 1 || (after != end && *after != ',')) {
      throw InvalidArgument(fmt::format(
          "--split is \"{}\"; it must be auto, even, or a number from 1 up for each stage: 1,3,2",
          text));
    }
    numbers.push_back(number);
    if (after == end) {
      return numbers;
    }
    begin = after + 1;
  }
}

}  // namespace

std::vector<int> parse_split(std::string_view text, int stages, std::int64_t layers) {
  if (text == "auto") {
    return {};
  }
  if (text == "even") {
    return partition::even(static_cast<int>(layers), stages);
  }
  std::vector<int> split = parse_list(text);
  const auto sum = std::accumulate(split.begin(), split.end(), std::int64_t{0});
  const std::int64_t blocks = (layers - layers_of_gpt(0)) / 2;
  if (static_cast<int>(split.size()) != stages) {
    throw InvalidArgument(
        fmt::format("--split {} is for {} stages, there are {}", text, split.size(), stages));
  }
  if (sum == blocks) {
    for (int& stage : split) {
      stage *= 2;
    }
    split.front() += 1;
    split.back() += 2;
  } else if (sum != layers) {
    throw InvalidArgument(fmt::format(
        "--split {} adds up to {}; it must add up to {} (blocks), or to {} (all layers: "
        "embedding, two halves of each block, norm, head)",
        text, sum, blocks, layers));
  }
  return split;
}

plan::LowerOptions lower_options(bool optimizer_in_schedule) {
  return {.optimizer = optimizer_in_schedule ? plan::OptimizerPlace::in_schedule
                                             : plan::OptimizerPlace::after_step};
}

Recomputation parse_recompute(std::string_view text) {
  return text == "always"        ? Recomputation::always
         : text == "when-needed" ? Recomputation::when_needed
                                 : Recomputation::never;
}

}  // namespace lockflight::tools
