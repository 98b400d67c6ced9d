#include "lockflight/train/mapped_file.h"

#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockflight/core/error.h"
#include "train/file.h"

namespace lockflight::train {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (number_ < 0) {
      throw file_error(path, "read");
    }
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor descriptor(path);
  struct stat status {};
  if (::fstat(descriptor.number(), &status) != 0) {
    throw file_error(path, "read");
  }
  if (!S_ISREG(status.st_mode)) {
    throw FileError(fmt::format("{}: is a {}; a regular file is needed", path.string(),
                                S_ISDIR(status.st_mode) ? "folder" : "pipe or device"));
  }
  if (status.st_size == 0) {
    throw DataError(fmt::format("{}: the file is empty (0 bytes)", path.string()));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.number(), 0);
  if (data == MAP_FAILED) {
    throw file_error(path, "map into memory");
  }
  bytes_ = {static_cast<const std::byte*>(data), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

}  // namespace lockflight::train
