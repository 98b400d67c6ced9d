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
  enum class Open : std::uint8_t {
    replace,   ///< a new file
    continued  ///< at the end of the one that is there, as after a resume
  };

  /// Throws FileError if the file cannot be written.
  explicit LossLog(const std::filesystem::path& path, Open open = Open::replace);
  ~LossLog();
  LossLog(LossLog&&) noexcept;

  /// Writes a line at once: what was added is in the file whatever happens next.  Throws FileError.
  void add(std::int64_t step, float loss);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockflight::train
