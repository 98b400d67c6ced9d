// Batches of tokens from a file, and what is held out of them for validation.
//
// The text is cut into blocks; every n-th one is held out.  Training windows lie in the stretches
// between, anywhere, and never touch a held-out block:
//
//   |  train  |  train  | held out|  train  |  train  |  train  |  train  | held out|  train  …
//      [window]  [window]
//
// A row of a batch depends on (seed, step, row) alone: not on ranks, micro-batches or what was
// drawn before, so a resumed run sees what an uninterrupted one would have seen.

#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/token_file.h"

namespace lockflight::train {

struct TextDatasetOptions {
  std::int64_t context = 256;     ///< T: tokens in a row
  std::int64_t vocabulary = 256;  ///< every token must lie below
  std::uint64_t seed = 1;
  int validation_every = 10;          ///< every n-th block is held out; 0 holds nothing out
  std::int64_t validation_rows = 64;  ///< of `validation`, rounded up to whole micro-batches
};

/// Threads may draw batches at once.
class TextDataset {
 public:
  /// Opens a file of bytes, or of uint16 if its name ends in ".bin".  Throws FileError and
  /// DataError as TokenFile does, DataError if the text is too short, InvalidArgument if an option
  /// is out of its range.
  TextDataset(const std::filesystem::path& path, const BatchShape& shape,
              const TextDatasetOptions& options = {});

  /// The batch of a step: inputs and targets i32 [rows, T], the targets one token further on.
  Batch at(std::uint32_t step) const;

  /// Held-out rows, always the same: spread evenly over all held-out blocks.  Of fewer windows than
  /// rows some come twice.  Throws InvalidArgument if nothing is held out.
  Batch validation() const;

  bool has_validation() const { return !held_out_.empty(); }

  /// Tokens in the file, of them held out.
  std::int64_t tokens() const { return file_.size(); }
  std::int64_t held_out_tokens() const;

  /// Consecutive tokens that are all trained on, or all held out.
  struct Stretch {
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };
  /// In the order of the text.
  const std::vector<Stretch>& training_stretches() const { return training_; }
  const std::vector<Stretch>& held_out_stretches() const { return held_out_; }

 private:
  void cut(const std::filesystem::path& path);
  void write_row(Batch& batch, std::int64_t row, std::int64_t begin) const;
  Batch empty_batch(std::int64_t rows) const;

  TextDatasetOptions options_;
  BatchShape shape_;
  TokenFile file_;
  std::vector<Stretch> training_;
  std::vector<Stretch> held_out_;
  std::vector<std::int64_t> windows_before_;  // of each training stretch, and their total
};

}  // namespace lockflight::train
