#include "lockflight/train/text_dataset.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"

namespace lockflight::train {
namespace {

// Keeps these numbers apart from those of dropout, which has the layers of a model here.
constexpr std::uint32_t kDataLayer = 0xffffffff;

// Long blocks lose few training windows at their ends; short ones sample the text more evenly.
constexpr std::int64_t kWindowsPerBlock = 4;

const TextDatasetOptions& checked(const TextDatasetOptions& options, const BatchShape& shape) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (options.context < 1 || options.context > kMost / 64) {
    throw InvalidArgument(fmt::format("dataset: a context of {} tokens; 1 to {} are possible",
                                      options.context, kMost / 64));
  }
  if (shape.micro_batch_rows < 1 || shape.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("dataset: {} micro-batches of {} rows; there must be at least one of each",
                    shape.micro_batches, shape.micro_batch_rows));
  }
  if (options.validation_every < 0 || options.validation_every == 1) {
    throw InvalidArgument(fmt::format(
        "dataset: holding out every block number {} leaves no training data or makes no sense; 0 "
        "holds nothing out, otherwise take at least 2",
        options.validation_every));
  }
  if (options.validation_rows < 1) {
    throw InvalidArgument(
        fmt::format("dataset: {} validation rows; at least 1 is needed", options.validation_rows));
  }
  return options;
}

}  // namespace

TextDataset::TextDataset(const std::filesystem::path& path, const BatchShape& shape,
                         const TextDatasetOptions& options)
    : options_(checked(options, shape)),
      shape_(shape),
      file_(path, token_format_of(path), options.vocabulary) {
  cut(path);
  windows_before_.push_back(0);
  for (const Stretch& stretch : training_) {
    const std::int64_t windows =
        std::max<std::int64_t>(0, stretch.end - stretch.begin - options_.context);
    windows_before_.push_back(windows_before_.back() + windows);
  }
}

void TextDataset::cut(const std::filesystem::path& path) {
  const std::int64_t window = options_.context + 1;
  const std::int64_t every = options_.validation_every;
  const std::int64_t least = std::max<std::int64_t>(every, 1) * window;
  if (tokens() < least) {
    throw DataError(fmt::format(
        "{}: {} tokens are too short a text; a context of {}{} needs at least {}: take a longer "
        "text or a shorter context",
        path.string(), tokens(), options_.context,
        every == 0 ? "" : fmt::format(" with every {}th block held out", every), least));
  }
  if (every == 0) {
    training_.push_back({0, tokens()});
    return;
  }
  const std::int64_t block = std::min(tokens() / every, kWindowsPerBlock * window);
  std::int64_t trained = 0;  // end of the last held-out block
  // Starting in the middle of a period, a text of a single one keeps both its ends.
  for (std::int64_t begin = every / 2 * block; begin + block <= tokens(); begin += every * block) {
    training_.push_back({trained, begin});
    held_out_.push_back({begin, begin + block});
    trained = begin + block;
  }
  training_.push_back({trained, tokens()});
}

std::int64_t TextDataset::held_out_tokens() const {
  std::int64_t sum = 0;
  for (const Stretch& stretch : held_out_) {
    sum += stretch.end - stretch.begin;
  }
  return sum;
}

Batch TextDataset::empty_batch(std::int64_t rows) const {
  const TensorSpec spec{{rows, options_.context}, DType::i32};
  return {.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
}

void TextDataset::write_row(Batch& batch, std::int64_t row, std::int64_t begin) const {
  const auto context = static_cast<std::size_t>(options_.context);
  const std::size_t first = static_cast<std::size_t>(row) * context;
  file_.read(begin, batch.inputs[0].as<std::int32_t>().subspan(first, context));
  file_.read(begin + 1, batch.targets[0].as<std::int32_t>().subspan(first, context));
}

Batch TextDataset::at(std::uint32_t step) const {
  Batch batch = empty_batch(shape_.rows());
  for (std::int64_t row = 0; row < shape_.rows(); ++row) {
    Random random({.seed = options_.seed,
                   .step = step,
                   .layer = kDataLayer,
                   .micro_batch = static_cast<std::uint32_t>(row)});
    const auto window = static_cast<std::int64_t>(
        random.next_below(static_cast<std::uint64_t>(windows_before_.back())));
    const auto after = std::ranges::upper_bound(windows_before_, window);
    const auto stretch = after - windows_before_.begin() - 1;
    write_row(batch, row,
              training_[static_cast<std::size_t>(stretch)].begin + window - *(after - 1));
  }
  return batch;
}

Batch TextDataset::validation() const {
  if (!has_validation()) {
    throw InvalidArgument(
        "dataset: nothing is held out for validation; set validation_every to 2 or more");
  }
  // All blocks have the same length, so that the windows of all blocks can be numbered through.
  const std::int64_t block = held_out_.front().end - held_out_.front().begin;
  const std::int64_t per_block = block / (options_.context + 1);
  const std::int64_t windows = per_block * static_cast<std::int64_t>(held_out_.size());
  const std::int64_t micro_batch = shape_.micro_batch_rows;
  const std::int64_t rows =
      (options_.validation_rows + micro_batch - 1) / micro_batch * micro_batch;
  Batch batch = empty_batch(rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t window = row * windows / rows;
    const Stretch& stretch = held_out_[static_cast<std::size_t>(window / per_block)];
    write_row(batch, row, stretch.begin + window % per_block * (options_.context + 1));
  }
  return batch;
}

}  // namespace lockflight::train
