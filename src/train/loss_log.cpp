#include "lockflight/train/loss_log.h"

#include <fmt/format.h>

#include "train/file.h"

namespace lockflight::train {

std::string loss_line(std::int64_t step, float loss) {
  // As a double, whose hexadecimal form is the one that every language reads and writes alike.
  return fmt::format("step {} loss {} {:a}", step, loss, static_cast<double>(loss));
}

class LossLog::Impl {
 public:
  OutputFile file;
};

LossLog::LossLog(const std::filesystem::path& path, Open open)
    : impl_(new Impl{OutputFile(
          path, open == Open::replace ? OutputFile::Open::replace : OutputFile::Open::append)}) {}

LossLog::~LossLog() = default;
LossLog::LossLog(LossLog&&) noexcept = default;

void LossLog::add(std::int64_t step, float loss) {
  impl_->file.write(loss_line(step, loss) + "\n");
}

}  // namespace lockflight::train
