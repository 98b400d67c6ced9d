#include "lockflight/train/loss_log.h"

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "train/file.h"

namespace lockflight::train {

std::string loss_line(std::int64_t step, float loss) {
  // As a double, whose hexadecimal form is the one that every language reads and writes alike.
  return fmt::format("step {} loss {} {:a}", step, loss, static_cast<double>(loss));
}

namespace {

std::string lines_before(const std::filesystem::path& path, std::int64_t first_step) {
  std::ifstream in(path);
  if (!in) {
    throw file_error(path, "read");
  }
  std::string kept;
  // A line that ends with the file instead of a newline was cut off.
  for (std::string line; std::getline(in, line) && !in.eof();) {
    std::int64_t step = 0;
    if (std::sscanf(line.c_str(), "step %" SCNd64 " ", &step) == 1 && step < first_step) {
      kept += line + '\n';
    }
  }
  return kept;
}

}  // namespace

class LossLog::Impl {
 public:
  OutputFile file;
};

LossLog::LossLog(const std::filesystem::path& path, std::int64_t first_step) {
  if (first_step > 0 && std::filesystem::is_regular_file(path)) {
    replace_file(path, lines_before(path, first_step));
    impl_.reset(new Impl{OutputFile(path, OutputFile::Open::append)});
  } else {
    impl_.reset(new Impl{OutputFile(path)});
  }
}

LossLog::~LossLog() = default;
LossLog::LossLog(LossLog&&) noexcept = default;

void LossLog::add(std::int64_t step, float loss) {
  impl_->file.write(loss_line(step, loss) + "\n");
}

}  // namespace lockflight::train
