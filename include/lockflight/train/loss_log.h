// The loss of every step in a text file, decimal for people and hexadecimal for bits:
//
//   step 12 loss 3.21875 0x1.9cp+1

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace lockflight::train {

/// "step 12 loss 3.21875 0x1.9cp+1": the shortest decimal and the hexadecimal that read back as
/// the same float.
std::string loss_line(std::int64_t step, float loss);

class LossLog {
 public:
  /// Keeps, of a file that is there, the lines of steps before `first_step`, as after a resume: a
  /// run that was cut off may have written more than its checkpoint knows. Throws FileError if the
  /// file cannot be read or written.
  explicit LossLog(const std::filesystem::path& path, std::int64_t first_step = 0);
  ~LossLog();
  LossLog(LossLog&&) noexcept;

  /// Writes a line at once: what was added is in the file whatever happens next.  Throws FileError.
  void add(std::int64_t step, float loss);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockflight::train
